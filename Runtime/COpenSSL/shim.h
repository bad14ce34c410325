// Thin C shims over libcrypto: macros, variadics and the few places where Swift would need unsafe casts.
// Everything is `static inline`: this folder is a system-library module and compiles no object of its own.
#ifndef SWIFTLET_COPENSSL_SHIM_H
#define SWIFTLET_COPENSSL_SHIM_H

// The SHA256_* calls are marked deprecated in OpenSSL 3 but are kept, and they are the only way to copy a keyed
// hash state without an allocation. Everything else here uses the EVP interface.
#define OPENSSL_SUPPRESS_DEPRECATED 1

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

/// One-shot SHA-256 without OpenSSL 3's provider lookup (which costs more than hashing a small message).
static inline void swiftlet_sha256(const void *_Nullable bytes, size_t count, uint8_t *_Nonnull digest) {
    SHA256_CTX context;
    SHA256_Init(&context);
    if (count > 0) { SHA256_Update(&context, bytes, count); }
    SHA256_Final(digest, &context);
    explicit_bzero(&context, sizeof context);
}

/// The two keyed states of HMAC-SHA256. Copying them replaces two of the four compressions of each call.
typedef struct {
    SHA256_CTX inner;
    SHA256_CTX outer;
} swiftlet_hmac_sha256_state;

static inline void swiftlet_hmac_sha256_prepare(swiftlet_hmac_sha256_state *_Nonnull state,
                                                const uint8_t *_Nullable key, size_t count) {
    uint8_t block[SHA256_CBLOCK];
    memset(block, 0, sizeof block);
    if (count > sizeof block) {
        swiftlet_sha256(key, count, block);
    } else if (count > 0) {
        memcpy(block, key, count);
    }
    for (size_t i = 0; i < sizeof block; i++) { block[i] ^= 0x36; }
    SHA256_Init(&state->inner);
    SHA256_Update(&state->inner, block, sizeof block);
    for (size_t i = 0; i < sizeof block; i++) { block[i] ^= 0x36 ^ 0x5c; }
    SHA256_Init(&state->outer);
    SHA256_Update(&state->outer, block, sizeof block);
    explicit_bzero(block, sizeof block);
}

static inline void swiftlet_hmac_sha256(const swiftlet_hmac_sha256_state *_Nonnull state,
                                        const void *_Nullable bytes, size_t count, uint8_t *_Nonnull tag) {
    SHA256_CTX context = state->inner;
    if (count > 0) { SHA256_Update(&context, bytes, count); }
    SHA256_Final(tag, &context);
    context = state->outer;
    SHA256_Update(&context, tag, SHA256_DIGEST_LENGTH);
    SHA256_Final(tag, &context);
    explicit_bzero(&context, sizeof context);
}

/// 1 when both ranges hold the same bytes; time depends on `count` only. Word by word: CRYPTO_memcmp goes byte by
/// byte, which is 5 times slower on a token.
static inline int swiftlet_equal(const void *_Nullable left, const void *_Nullable right, size_t count) {
    const uint8_t *a = (const uint8_t *)left;
    const uint8_t *b = (const uint8_t *)right;
    uint64_t difference = 0;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        difference |= x ^ y;
    }
    for (; i < count; i++) { difference |= (uint64_t)(a[i] ^ b[i]); }
    // Keeps the optimiser from turning the accumulated difference into an early exit.
    __asm__ __volatile__("" : "+r"(difference) : : "memory");
    return difference == 0;
}

static inline void swiftlet_wipe(void *_Nullable bytes, size_t count) {
    if (count > 0) { explicit_bzero(bytes, count); }
}

/// 1 when `count` bytes of kernel randomness were written.
static inline int swiftlet_random(uint8_t *_Nullable bytes, size_t count) {
    while (count > 0) {
        ssize_t got = getrandom(bytes, count, 0);
        if (got < 0) {
            if (errno == EINTR) { continue; }
            return 0;
        }
        bytes += got;
        count -= (size_t)got;
    }
    return 1;
}

// MARK: Public keys from their numbers

/// `point` is 0x04 || x || y. NULL when the point is not on P-256.
static inline EVP_PKEY *_Nullable swiftlet_p256_public(const uint8_t *_Nonnull point, size_t count) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM parameters[3] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, count),
        OSSL_PARAM_construct_end(),
    };
    int made = context && EVP_PKEY_fromdata_init(context) == 1
        && EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
    EVP_PKEY_CTX_free(context);
    if (made) {
        context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        made = context && EVP_PKEY_public_check(context) == 1;
        EVP_PKEY_CTX_free(context);
    }
    if (!made) {
        EVP_PKEY_free(key);
        key = NULL;
        ERR_clear_error();
    }
    return key;
}

/// Big-endian numbers; their ranges are the caller's to check.
static inline EVP_PKEY *_Nullable swiftlet_rsa_public(const uint8_t *_Nonnull modulus, size_t modulusCount,
                                                      const uint8_t *_Nonnull exponent, size_t exponentCount) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn(modulus, (int)modulusCount, NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)exponentCount, NULL);
    OSSL_PARAM *parameters = NULL;
    if (builder && n && e && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        parameters = OSSL_PARAM_BLD_to_param(builder);
    }
    int made = context && parameters && EVP_PKEY_fromdata_init(context) == 1
        && EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    EVP_PKEY_CTX_free(context);
    if (!made) {
        EVP_PKEY_free(key);
        key = NULL;
        ERR_clear_error();
    }
    return key;
}

// MARK: Signatures over a SHA-256 digest

/// A context ready to verify with `key`. Copying it is 4 us cheaper than preparing one for each signature.
/// RSA means PKCS#1 v1.5; an EC signature is DER.
static inline EVP_PKEY_CTX *_Nullable swiftlet_verifier(EVP_PKEY *_Nonnull key, int isRSA) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (context && EVP_PKEY_verify_init(context) == 1
        && (!isRSA || (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
                       && EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1))) {
        return context;
    }
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return NULL;
}

/// 1 valid, 0 anything else. `verifier` is only read, so many threads may share it.
static inline int swiftlet_verify(const EVP_PKEY_CTX *_Nonnull verifier, const uint8_t *_Nonnull digest,
                                  const uint8_t *_Nonnull signature, size_t count) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_dup(verifier);
    int valid = context && EVP_PKEY_verify(context, signature, count, digest, SHA256_DIGEST_LENGTH) == 1;
    EVP_PKEY_CTX_free(context);
    if (!valid) { ERR_clear_error(); }
    return valid;
}

/// 1 when a signature was written; `*count` is the room going in and the length coming out.
static inline int swiftlet_sign(EVP_PKEY *_Nonnull key, int isRSA, const uint8_t *_Nonnull digest,
                                uint8_t *_Nonnull signature, size_t *_Nonnull count) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    int done = context && EVP_PKEY_sign_init(context) == 1
        && (!isRSA || (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
                       && EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1))
        && EVP_PKEY_sign(context, signature, count, digest, SHA256_DIGEST_LENGTH) == 1;
    EVP_PKEY_CTX_free(context);
    if (!done) { ERR_clear_error(); }
    return done;
}

// MARK: New keys, and their public numbers

static inline EVP_PKEY *_Nullable swiftlet_p256_generate(void) {
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    if (!key) { ERR_clear_error(); }
    return key;
}

static inline EVP_PKEY *_Nullable swiftlet_rsa_generate(size_t bits) {
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
    if (!key) { ERR_clear_error(); }
    return key;
}

/// Writes 0x04 || x || y (65 bytes). 1 on success.
static inline int swiftlet_p256_point(const EVP_PKEY *_Nonnull key, uint8_t *_Nonnull point) {
    BIGNUM *x = NULL, *y = NULL;
    int done = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1
        && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1
        && BN_bn2binpad(x, point + 1, 32) == 32 && BN_bn2binpad(y, point + 33, 32) == 32;
    point[0] = 4;
    BN_free(x);
    BN_free(y);
    if (!done) { ERR_clear_error(); }
    return done;
}

/// Writes modulus ('n') or public exponent ('e') big-endian into `room` bytes; the length, or 0.
static inline size_t swiftlet_rsa_number(const EVP_PKEY *_Nonnull key, char which, uint8_t *_Nonnull bytes,
                                         size_t room) {
    BIGNUM *number = NULL;
    size_t written = 0;
    if (EVP_PKEY_get_bn_param(key, which == 'n' ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_RSA_E, &number) == 1
        && (size_t)BN_num_bytes(number) <= room) {
        written = (size_t)BN_bn2bin(number, bytes);
    }
    BN_free(number);
    if (written == 0) { ERR_clear_error(); }
    return written;
}

/// DER ECDSA signature to 64 bytes r || s. 1 on success.
static inline int swiftlet_ecdsa_raw(const uint8_t *_Nonnull der, size_t count, uint8_t *_Nonnull raw) {
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)count);
    int done = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32) == 32
        && BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32) == 32;
    ECDSA_SIG_free(signature);
    if (!done) { ERR_clear_error(); }
    return done;
}

/// A private P-256 key from its number (32 bytes) and its point (0x04 || x || y); NULL when they do not belong together.
static inline EVP_PKEY *_Nullable swiftlet_p256_private(const uint8_t *_Nonnull secret, const uint8_t *_Nonnull point) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *d = BN_secure_new();
    OSSL_PARAM *parameters = NULL;
    if (builder && d && BN_bin2bn(secret, 32, d)
        && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1
        && OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 65) == 1
        && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1) {
        parameters = OSSL_PARAM_BLD_to_param(builder);
    }
    int made = context && parameters && EVP_PKEY_fromdata_init(context) == 1
        && EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters) == 1;
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    BN_clear_free(d);
    EVP_PKEY_CTX_free(context);
    if (made) {
        context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        made = context && EVP_PKEY_pairwise_check(context) == 1;
        EVP_PKEY_CTX_free(context);
    }
    if (!made) {
        EVP_PKEY_free(key);
        key = NULL;
        ERR_clear_error();
    }
    return key;
}

#endif
