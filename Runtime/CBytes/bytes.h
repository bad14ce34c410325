// Looks at sixteen bytes at once, for which Swift has no words yet.
#ifndef SWIFTLET_BYTES_H
#define SWIFTLET_BYTES_H

#include <stdint.h>
#include <string.h>

/// How many of the sixteen bytes from `text` on come before the first that ends a plain piece of a JSON string: a quote, a backslash, a control
/// or one that is not ASCII. 16 when there is none.
static inline __attribute__((always_inline)) int64_t swiftlet_plain_bytes(const uint8_t *text) {
    typedef int8_t bytes __attribute__((vector_size(16)));
    bytes all;
    memcpy(&all, text, sizeof all);
    // As signed numbers the controls and all that is not ASCII lie below the blank.
    bytes flags = (bytes)((all < 0x20) | (all == '"') | (all == '\\'));
#if defined(__SSE2__)
    return __builtin_ctz((unsigned)__builtin_ia32_pmovmskb128((__attribute__((vector_size(16))) char)flags) | 1u << 16);
#else
    uint64_t halves[2];
    memcpy(halves, &flags, sizeof halves);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    halves[0] = __builtin_bswap64(halves[0]);
    halves[1] = __builtin_bswap64(halves[1]);
#endif
    if (halves[0]) return __builtin_ctzll(halves[0]) >> 3;
    return halves[1] ? 8 + (__builtin_ctzll(halves[1]) >> 3) : 16;
#endif
}

#endif
