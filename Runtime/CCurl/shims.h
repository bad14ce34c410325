#ifndef SWIFTLET_CCURL_SHIMS_H
#define SWIFTLET_CCURL_SHIMS_H

// Swift cannot call variadic C functions. Each shim fixes the argument types of one kind of option.

#include <curl/curl.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static inline CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}

/// Body and header lines from the peer, and body bytes to it, share one shape.
typedef size_t (*ccurl_data_callback)(char *buffer, size_t size, size_t count, void *context);

static inline CURLcode ccurl_set_data(
    CURL *handle, CURLoption function, ccurl_data_callback callback, CURLoption data, void *context) {
    CURLcode code = curl_easy_setopt(handle, function, callback);
    return code == CURLE_OK ? curl_easy_setopt(handle, data, context) : code;
}

/// Answers a socket, or CURL_SOCKET_BAD to refuse the address.
typedef curl_socket_t (*ccurl_open_callback)(
    void *context, int family, int type, int protocol, const struct sockaddr *address, unsigned int length);

struct ccurl_open_context {
    ccurl_open_callback callback;
    void *context;
};

static inline curl_socket_t ccurl_open_trampoline(
    void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    struct ccurl_open_context *open = (struct ccurl_open_context *)context;
    (void)purpose;
    return open->callback(
        open->context, address->family, address->socktype, address->protocol, &address->addr, address->addrlen);
}

/// `context` must stay where it is until the transfer has left its multi handle.
static inline CURLcode ccurl_set_open(CURL *handle, struct ccurl_open_context *context) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, ccurl_open_trampoline);
    return code == CURLE_OK ? curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, context) : code;
}

typedef int (*ccurl_close_callback)(void *context, curl_socket_t socket);

static inline CURLcode ccurl_set_close(CURL *handle, ccurl_close_callback callback, void *context) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_CLOSESOCKETFUNCTION, callback);
    return code == CURLE_OK ? curl_easy_setopt(handle, CURLOPT_CLOSESOCKETDATA, context) : code;
}

/// Called when the connection is there, new or reused, before the request is written.
typedef int (*ccurl_ready_callback)(
    void *context, char *peer_address, char *local_address, int peer_port, int local_port);

static inline CURLcode ccurl_set_ready(CURL *handle, ccurl_ready_callback callback, void *context) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, callback);
    return code == CURLE_OK ? curl_easy_setopt(handle, CURLOPT_PREREQDATA, context) : code;
}

static inline CURLcode ccurl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode ccurl_get_string(CURL *handle, CURLINFO info, char **value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURLcode ccurl_message_result(const CURLMsg *message) { return message->data.result; }

/// Shown by ps and by debuggers; at most 15 bytes count.
static inline void ccurl_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// Constants that are macros of a kind Swift does not import.
static inline curl_socket_t ccurl_bad_socket(void) { return CURL_SOCKET_BAD; }
static inline size_t ccurl_write_pause(void) { return CURL_WRITEFUNC_PAUSE; }
static inline size_t ccurl_read_pause(void) { return CURL_READFUNC_PAUSE; }
static inline size_t ccurl_read_abort(void) { return CURL_READFUNC_ABORT; }
static inline CURLcode ccurl_global_start(void) { return curl_global_init(CURL_GLOBAL_ALL); }

#endif
