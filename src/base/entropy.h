#pragma once

// Randomness, as a seam: keys and identifiers in production, a fixed sequence in a test.
//
// Threads: any. Failure: none; the kernel's generator does not fail once it is seeded
// (getrandom(2)).
#include <cstddef>
#include <string>

namespace godwit {

class Entropy {
 public:
  Entropy() = default;
  Entropy(const Entropy&) = delete;
  Entropy& operator=(const Entropy&) = delete;
  virtual ~Entropy() = default;
  virtual std::string Bytes(size_t count) = 0;
};

class SystemEntropy : public Entropy {
 public:
  std::string Bytes(size_t count) override;
};

}  // namespace godwit
