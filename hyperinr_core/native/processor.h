// What the processor offers and the system lets a program use.
#ifndef HYPERINR_PROCESSOR_H
#define HYPERINR_PROCESSOR_H

namespace hinr {

#ifdef HINR_X86
// avx2 with FMA and F16C; avx512 with its parts F, BW, DQ and VL; amx_bf16: tiles and their products of bfloat16, which a system may
// have to allow yet.
struct Processor { bool avx2, avx512, avx512_bf16, amx_bf16, amd; };

const Processor &processor();
#endif

// The instruction set of vectors alone: products of bfloat16 are for networks, and what has none has no unit for them.
int vector_isa(int isa);

// Whether there are tiles that this program may use. Asks the system for them, once.
bool has_tiles();

}  // namespace hinr
#endif
