// What the processor can do at most: multiply-adds of registers alone, which `hyperinr bench` measures speed against.

#ifndef HINR_TILES
template <class M> static float peak_of(int64_t steps, const typename M::Elem *operand) {
    const auto x = M::load(operand);
#define HINR_SUMS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define HINR_DECLARE(i) Vec s##i = set1(float(i));
#define HINR_MAC(i) s##i = M::mac(x, x, s##i);
#define HINR_ADD(i) total = add(total, s##i);
    HINR_SUMS(HINR_DECLARE)
    for (int64_t step = 0; step < steps; ++step) { HINR_SUMS(HINR_MAC) }
    Vec total = set1(0);
    HINR_SUMS(HINR_ADD)
#undef HINR_SUMS
#undef HINR_DECLARE
#undef HINR_MAC
#undef HINR_ADD
    float lanes[W], result = 0;  // one by one: GCC 12 warns of its own header where `sum` is inlined here
    store(lanes, total);
    for (int i = 0; i < W; ++i) result += lanes[i];
    return result;
}
#endif

// Multiply-adds done, in single numbers.
static int64_t peak(int64_t steps, float *result) {
#ifdef HINR_TILES
    HINR_TILES_HELD
    constexpr int64_t depth = 8 * kPairs;
    alignas(64) uint32_t a[kSide * depth], b[depth * kSide];
    alignas(64) float sums[kSide * kSide];
    for (uint32_t &pair : a) memcpy(&pair, result, sizeof pair);  // likewise from outside
    memcpy(b, a, sizeof b);
    steps = steps / 512 + 1;
    float total = 0;
    for (int64_t step = 0; step < steps; ++step) {
        multiply_block(a, depth, depth, b, kSide, sums);
        total += sums[step % (kSide * kSide)];
    }
    *result = total;
    return steps * kSide * kSide * depth * 2;
#else
    alignas(64) float operand[W];  // from outside, so that the compiler cannot know the result
    for (int i = 0; i < W; ++i) operand[i] = *result;
#ifdef HINR_BF16
    *result = peak_of<BFloat16>(steps, (const uint32_t *)operand);
    return steps * 12 * W * 2;
#else
    *result = peak_of<Float32>(steps, operand);
    return steps * 12 * W;
#endif
#endif
}
