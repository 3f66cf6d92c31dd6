#include "images/digest.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/try.h"

namespace godwit::images {

Digest::Digest() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Digest::Add(std::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Digest::Text() {
  std::array<unsigned char, 32> hash{};
  EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr);
  return "sha256:" + ToHex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

Result<std::string> Digest::OfFile(const std::string& path) {
  GODWIT_TRY(const Fd file, Open(path, O_RDONLY));
  Digest digest;
  std::vector<char> piece(size_t{1} << 20);
  while (true) {
    const ssize_t n = ::read(file.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read '{}'", path);
    if (n == 0) return digest.Text();
    digest.Add({piece.data(), static_cast<size_t>(n)});
  }
}

}  // namespace godwit::images
