#pragma once

// The calling thread's character set, UTF-8 while this lives.
//
// libarchive turns the names in an archive into the locale's character set, and a program that set
// no locale has ASCII: names with any other letter would be lost. Threads: its own; the process's
// locale is not touched. Failure: without such a locale nothing changes.
#include <clocale>

namespace godwit::storage {

class Utf8Locale {
 public:
  Utf8Locale() : made_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (made_ != nullptr) before_ = ::uselocale(made_);
  }
  ~Utf8Locale() {
    if (made_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(made_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t made_;
  locale_t before_ = nullptr;
};

}  // namespace godwit::storage
