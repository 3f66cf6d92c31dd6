#pragma once

// A socket as OpenSSL reads and writes it: without a signal when the other side has gone.
//
// Threads and lifetime: those of the connection. Failure: errno, as the socket's call left it.
#include <openssl/types.h>

namespace godwit::http {

// Of a non-blocking socket, which it does not own; the SSL that it is given to owns the BIO.
BIO* MakeSocketBio(int socket);

}  // namespace godwit::http
