// What the processor offers and the system lets a program use.
#ifndef HYPERINR_PROCESSOR_H
#define HYPERINR_PROCESSOR_H

namespace hinr {

#ifdef HINR_X86
// avx2 with FMA and F16C; avx512 with its parts F, BW, DQ and VL.
struct Processor { bool avx2, avx512, avx512_bf16, amd; };

const Processor &processor();
#endif

}  // namespace hinr
#endif
