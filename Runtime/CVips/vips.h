// The few functions of libvips that make small pictures. The library is opened by name while the program runs: neither its headers nor
// the library itself are needed to build or to start a host. Many of the functions are variadic, so they are called from here.
#ifndef SWIFTLET_CVIPS_VIPS_H
#define SWIFTLET_CVIPS_VIPS_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/// An image of the library; only ever handled through a pointer.
typedef struct swiftlet_vips_image swiftlet_vips_image;

struct swiftlet_vips {
    void *library;
    int (*init)(const char *program);
    const char *(*version_string)(void);
    const char *(*error_buffer)(void);
    void (*error_clear)(void);
    void (*cache_set_max)(int count);
    void (*concurrency_set)(int count);
    void (*vector_set_enabled)(int enabled);                // May be missing.
    void (*block_untrusted_set)(int state);                 // From 8.13.
    void (*operation_block_set)(const char *name, int state);  // From 8.13.
    unsigned long (*type_find)(const char *basename, const char *nickname);
    swiftlet_vips_image *(*image_new_from_buffer)(const void *bytes, size_t count, const char *options, ...);
    int (*image_get_width)(const swiftlet_vips_image *image);
    int (*image_get_height)(const swiftlet_vips_image *image);
    int (*image_get_string)(const swiftlet_vips_image *image, const char *name, const char **value);
    unsigned long (*image_get_typeof)(const swiftlet_vips_image *image, const char *name);
    int (*thumbnail_buffer)(void *bytes, size_t count, swiftlet_vips_image **made, int width, ...);
    int (*image_write_to_buffer)(swiftlet_vips_image *image, const char *suffix, void **bytes, size_t *count, ...);
    int (*copy)(swiftlet_vips_image *image, swiftlet_vips_image **made, ...);
    char **(*image_get_fields)(const swiftlet_vips_image *image);
    int (*image_remove)(swiftlet_vips_image *image, const char *name);
    void (*unref)(void *object);
    void (*free)(void *memory);
    void (*strfreev)(char **texts);
    unsigned (*log_set_handler)(
        const char *domain, int levels, void (*handler)(const char *domain, int level, const char *message, void *data), void *data);
    /// How many pieces of pictures could not be read since somebody set this to 0. The library itself only warns of some, and paints on.
    /// Written by its threads.
    unsigned damage;
};

static inline void *swiftlet_vips_symbol(struct swiftlet_vips *vips, const char *name, const char **missing) {
    void *symbol = dlsym(vips->library, name);
    if (symbol == NULL && missing != NULL && *missing == NULL) *missing = name;
    return symbol;
}

/// Opens the library and finds its functions. NULL, or what is missing: a text that stays valid until the next call of `dlopen`.
static inline const char *swiftlet_vips_open(struct swiftlet_vips *vips, const char *name) {
    memset(vips, 0, sizeof *vips);
    vips->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (vips->library == NULL) {
        const char *reason = dlerror();
        return reason != NULL ? reason : "it cannot be opened";
    }
    const char *missing = NULL;
    *(void **)&vips->init = swiftlet_vips_symbol(vips, "vips_init", &missing);
    *(void **)&vips->version_string = swiftlet_vips_symbol(vips, "vips_version_string", &missing);
    *(void **)&vips->error_buffer = swiftlet_vips_symbol(vips, "vips_error_buffer", &missing);
    *(void **)&vips->error_clear = swiftlet_vips_symbol(vips, "vips_error_clear", &missing);
    *(void **)&vips->cache_set_max = swiftlet_vips_symbol(vips, "vips_cache_set_max", &missing);
    *(void **)&vips->concurrency_set = swiftlet_vips_symbol(vips, "vips_concurrency_set", &missing);
    *(void **)&vips->vector_set_enabled = swiftlet_vips_symbol(vips, "vips_vector_set_enabled", NULL);
    *(void **)&vips->block_untrusted_set = swiftlet_vips_symbol(vips, "vips_block_untrusted_set", &missing);
    *(void **)&vips->operation_block_set = swiftlet_vips_symbol(vips, "vips_operation_block_set", &missing);
    *(void **)&vips->type_find = swiftlet_vips_symbol(vips, "vips_type_find", &missing);
    *(void **)&vips->image_new_from_buffer = swiftlet_vips_symbol(vips, "vips_image_new_from_buffer", &missing);
    *(void **)&vips->image_get_width = swiftlet_vips_symbol(vips, "vips_image_get_width", &missing);
    *(void **)&vips->image_get_height = swiftlet_vips_symbol(vips, "vips_image_get_height", &missing);
    *(void **)&vips->image_get_string = swiftlet_vips_symbol(vips, "vips_image_get_string", &missing);
    *(void **)&vips->image_get_typeof = swiftlet_vips_symbol(vips, "vips_image_get_typeof", &missing);
    *(void **)&vips->thumbnail_buffer = swiftlet_vips_symbol(vips, "vips_thumbnail_buffer", &missing);
    *(void **)&vips->image_write_to_buffer = swiftlet_vips_symbol(vips, "vips_image_write_to_buffer", &missing);
    *(void **)&vips->copy = swiftlet_vips_symbol(vips, "vips_copy", &missing);
    *(void **)&vips->image_get_fields = swiftlet_vips_symbol(vips, "vips_image_get_fields", &missing);
    *(void **)&vips->image_remove = swiftlet_vips_symbol(vips, "vips_image_remove", &missing);
    *(void **)&vips->strfreev = swiftlet_vips_symbol(vips, "g_strfreev", &missing);
    *(void **)&vips->log_set_handler = swiftlet_vips_symbol(vips, "g_log_set_handler", &missing);
    *(void **)&vips->unref = swiftlet_vips_symbol(vips, "g_object_unref", &missing);
    *(void **)&vips->free = swiftlet_vips_symbol(vips, "g_free", &missing);
    return missing;
}

static inline void swiftlet_vips_hear(const char *domain, int level, const char *message, void *data) {
    (void)domain;
    (void)level;
    struct swiftlet_vips *vips = data;
    if (message != NULL && strstr(message, "error in tile") != NULL) __atomic_add_fetch(&vips->damage, 1, __ATOMIC_RELAXED);
}

static inline unsigned swiftlet_vips_damage(struct swiftlet_vips *vips) { return __atomic_load_n(&vips->damage, __ATOMIC_RELAXED); }

/// Starts the library, for which `vips` must stay where it is: no cache, one thread per image, no code made at run time, and no reader but those that are named afterwards.
/// 0, or -1 with the error in its buffer.
static inline int swiftlet_vips_start(struct swiftlet_vips *vips) {
    if (vips->init("swiftlet") != 0) return -1;
    vips->cache_set_max(0);
    vips->concurrency_set(1);
    if (vips->vector_set_enabled != NULL) vips->vector_set_enabled(0);
    vips->operation_block_set("VipsForeignLoad", 1);
    const int warning = 1 << 4;
    vips->log_set_handler("VIPS", warning, swiftlet_vips_hear, vips);
    return 0;
}

/// Lets one family of readers through, by its name (`VipsForeignLoadJpeg`), unless the library itself distrusts it.
static inline void swiftlet_vips_allow(struct swiftlet_vips *vips, const char *name) {
    vips->operation_block_set(name, 0);
    // Last, so that it holds for this family too.
    vips->block_untrusted_set(1);
}

/// 1 when there is an operation of this name (`webpsave_buffer`).
static inline int swiftlet_vips_has(struct swiftlet_vips *vips, const char *nickname) {
    return vips->type_find("VipsOperation", nickname) != 0;
}

/// Reads the head of an image, not its pixels. NULL with the error in the buffer.
static inline swiftlet_vips_image *swiftlet_vips_head(struct swiftlet_vips *vips, const void *bytes, size_t count) {
    return vips->image_new_from_buffer(bytes, count, "", (void *)0);
}

/// A text that belongs to the image; NULL when it has none of that name.
static inline const char *swiftlet_vips_text(struct swiftlet_vips *vips, const swiftlet_vips_image *image, const char *name) {
    const char *value = NULL;
    if (vips->image_get_string(image, name, &value) == 0) return value;
    vips->error_clear();
    return NULL;
}

/// 1 when the image says by a profile what its colours mean.
static inline int swiftlet_vips_has_profile(struct swiftlet_vips *vips, const swiftlet_vips_image *image) {
    return vips->image_get_typeof(image, "icc-profile-data") != 0;
}

enum { SWIFTLET_VIPS_BOTH = 0, SWIFTLET_VIPS_DOWN = 2, SWIFTLET_VIPS_FORCE = 3 };

/// Reads an image into this box, upright, in the colours of screens. `size` is one of SWIFTLET_VIPS_*; with `crop` the box is filled and
/// what hangs over is cut away on both sides. With `profile`, colours are translated by the profile of the image; one that has none must
/// not be, for the library would guess. Pixels are read only when the result is written. NULL with the error in the buffer.
static inline swiftlet_vips_image *swiftlet_vips_thumbnail(
    struct swiftlet_vips *vips, void *bytes, size_t count, int width, int height, int size, int crop, int profile) {
    swiftlet_vips_image *made = NULL;
    const int centre = 1;
    // Not `fail_on` of the call itself, which readers from memory do not see (8.14).
    const char *whole = "[fail_on=truncated]";
    // The list ends where the name of the last option is missing.
    int result = vips->thumbnail_buffer(
        bytes, count, &made, width, "height", height, "size", size, "crop", crop ? centre : 0, "option_string", whole,
        profile ? "export_profile" : (const char *)0, "srgb", (void *)0);
    return result == 0 ? made : NULL;
}

/// The same image with nothing attached to it: no EXIF, XMP, IPTC, comment or profile. Not all writers leave them out when they are told
/// to. NULL with the error in the buffer.
static inline swiftlet_vips_image *swiftlet_vips_bare(struct swiftlet_vips *vips, swiftlet_vips_image *image) {
    swiftlet_vips_image *made = NULL;
    if (vips->copy(image, &made, (void *)0) != 0) return NULL;
    char **names = vips->image_get_fields(made);
    // Those that are no attachment (width, bands) cannot be removed.
    for (char **name = names; name != NULL && *name != NULL; name++) vips->image_remove(made, *name);
    vips->strfreev(names);
    return made;
}

/// Writes an image in the format of a suffix with its options (`.jpg[Q=80,strip]`) into memory that `free` takes back. 0, or -1 with the
/// error in the buffer.
static inline int swiftlet_vips_write(
    struct swiftlet_vips *vips, swiftlet_vips_image *image, const char *suffix, void **bytes, size_t *count) {
    *bytes = NULL;
    *count = 0;
    return vips->image_write_to_buffer(image, suffix, bytes, count, (void *)0);
}

static inline void swiftlet_vips_release(struct swiftlet_vips *vips, swiftlet_vips_image *image) { vips->unref(image); }
static inline void swiftlet_vips_free(struct swiftlet_vips *vips, void *memory) { vips->free(memory); }
static inline const char *swiftlet_vips_version(struct swiftlet_vips *vips) { return vips->version_string(); }
static inline const char *swiftlet_vips_error(struct swiftlet_vips *vips) { return vips->error_buffer(); }
static inline void swiftlet_vips_clear(struct swiftlet_vips *vips) { vips->error_clear(); }

#endif
