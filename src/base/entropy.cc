#include "base/entropy.h"

#include <sodium.h>

namespace godwit {

std::string SystemEntropy::Bytes(size_t count) {
  std::string bytes(count, '\0');
  ::randombytes_buf(bytes.data(), count);
  return bytes;
}

}  // namespace godwit
