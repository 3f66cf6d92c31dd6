#include "sandbox/init/await.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace godwit::sandbox {
namespace {

[[noreturn]] void Die(int status, const char* doing, const char* operand) {
  ::dprintf(2, "godwit: cannot %s '%s': %s\n", doing, operand, std::strerror(errno));
  ::_exit(status);
}

}  // namespace

void AwaitAndBecome(char** words) {
  errno = EINVAL;
  if (words[0] == nullptr || words[1] == nullptr) Die(126, "start", "nothing");
  int gate = -1;
  do {
    gate = ::open(words[0], O_RDONLY | O_CLOEXEC);
  } while (gate < 0 && errno == EINTR);
  if (gate < 0) Die(126, "wait at", words[0]);
  ::close(gate);
  ::execvp(words[1], words + 1);
  Die(127, "start the program", words[1]);
}

}  // namespace godwit::sandbox
