#ifndef SWIFTLET_CZLIB_SHIMS_H
#define SWIFTLET_CZLIB_SHIMS_H

#include <zlib.h>

// inflateInit2 is a macro with sizeof in it, which Swift does not see.
static inline int czlib_inflate_init(z_stream *stream, int window_bits) {
    return inflateInit2(stream, window_bits);
}

#endif
