#include "http/tls_socket.h"

#include <openssl/bio.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace godwit::http {
namespace {

int SocketOf(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

bool IsWait(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int Write(BIO* bio, const char* bytes, size_t size, size_t* went) {
  const ssize_t count = ::send(SocketOf(bio), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (count < 0 && IsWait(errno)) BIO_set_retry_write(bio);
  *went = count > 0 ? static_cast<size_t>(count) : 0;
  return count > 0 ? 1 : static_cast<int>(count);
}

int Read(BIO* bio, char* into, size_t size, size_t* came) {
  const ssize_t count = ::recv(SocketOf(bio), into, size, MSG_DONTWAIT);
  BIO_clear_retry_flags(bio);
  if (count < 0 && IsWait(errno)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  *came = count > 0 ? static_cast<size_t>(count) : 0;
  return count > 0 ? 1 : static_cast<int>(count);
}

long Control(BIO* bio, int what, long, void*) {
  if (what == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return what == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* MakeMethod() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
  if (method == nullptr) std::abort();
  BIO_meth_set_write_ex(method, &Write);
  BIO_meth_set_read_ex(method, &Read);
  BIO_meth_set_ctrl(method, &Control);
  return method;
}

}  // namespace

BIO* MakeSocketBio(int socket) {
  static const BIO_METHOD* const kMethod = MakeMethod();
  BIO* bio = BIO_new(kMethod);
  if (bio == nullptr) std::abort();
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace godwit::http
