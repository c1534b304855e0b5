// The processor is asked itself: the compilers' ways to ask differ, and not every compiler brings the library for its own along.
#include "processor.h"

#include "hyperinr_native.h"

#ifdef HINR_X86

#include <stdint.h>

#include <cpuid.h>
#if defined(HINR_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hinr {
namespace {

struct Registers { uint32_t a, b, c, d; };

Registers cpuid(uint32_t leaf, uint32_t part) {
    Registers r = {0, 0, 0, 0};
    __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d);
    return r;
}

bool has(uint32_t bits, uint32_t all) { return (bits & all) == all; }

// Which registers the system saves when it changes between threads.
uint32_t saved() {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

Processor ask() {
    const Registers name = cpuid(0, 0), first = cpuid(1, 0), more = cpuid(7, 0);
    const uint32_t os_saves = 1u << 27, avx = 1u << 28, fma = 1u << 12, f16c = 1u << 29;
    if (!has(first.c, os_saves | avx | fma | f16c)) return {false, false, false, false, false};
    const uint32_t vectors = saved();
#if defined(__APPLE__)
    const bool wide = true;  // macOS saves them from the first use on, and says so only then
#else
    const bool wide = has(vectors, 0xe0);  // the masks, the upper halves, the upper sixteen
#endif
    Processor p;
    p.avx2 = has(vectors, 0x6) && has(more.b, 1u << 5);
    p.avx512 = p.avx2 && wide && has(more.b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31);
    p.avx512_bf16 = p.avx512 && has(cpuid(7, 1).a, 1u << 5);
    p.amx_bf16 = p.avx512_bf16 && has(more.d, 1u << 22 | 1u << 24) && has(vectors, 1u << 17 | 1u << 18);
    p.amd = name.b == 0x68747541 && name.d == 0x69746e65 && name.c == 0x444d4163;  // "AuthenticAMD"
    return p;
}

#if defined(HINR_AMX)
// Tiles are 8 KiB that the system saves for each thread, so that it wants to be asked: Linux since 5.16. It refuses where a thread's
// stack for signals is too small for them.
bool allowed() {
    constexpr long request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}
#endif

}  // namespace

const Processor &processor() {
    static const Processor found = ask();
    return found;
}

}  // namespace hinr

#endif

int hinr::vector_isa(int isa) {
    if (isa != HINR_ISA_AVX512_BF16 && isa != HINR_ISA_AMX_BF16) return isa;
#if defined(HINR_X86)  // the model of tiles runs beside any of these
    return processor().avx512 ? HINR_ISA_AVX512 : processor().avx2 ? HINR_ISA_AVX2 : HINR_ISA_GENERIC;
#else
    return HINR_ISA_GENERIC;
#endif
}

bool hinr::has_tiles() {
#if defined(HINR_TILES_MODEL)
    return true;
#elif defined(HINR_AMX)
    static const bool found = processor().amx_bf16 && allowed();
    return found;
#else
    return false;
#endif
}
