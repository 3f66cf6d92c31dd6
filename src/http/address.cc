#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "base/try.h"

namespace godwit::http {
namespace {

constexpr std::string_view kUnix = "unix:";

std::unexpected<Error> NoAddress(std::string_view text) {
  return Fail(Code::kInvalid,
              "'{}' is no address (write it as 127.0.0.1:9000, [::1]:9000 or unix:/path)", text);
}

Result<Address> ParseUnix(std::string_view text, std::string_view path) {
  sockaddr_un local{};
  if (!path.starts_with('/') || path.contains('\0')) return NoAddress(text);
  if (path.size() >= sizeof local.sun_path) {
    return Fail(Code::kInvalid,
                "'{}' is no address: its path has more than {} bytes (choose a shorter one)", text,
                sizeof local.sun_path - 1);
  }
  local.sun_family = AF_UNIX;
  path.copy(local.sun_path, path.size());
  Address address;
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  std::memcpy(&address.storage, &local, sizeof local);
  return address;
}

template <typename Internet>
Address Keep(const Internet& internet) {
  Address address;
  address.size = sizeof internet;
  std::memcpy(&address.storage, &internet, sizeof internet);
  return address;
}

template <typename Name>
Name As(const sockaddr_storage& storage) {
  Name name;
  std::memcpy(&name, &storage, sizeof name);
  return name;
}

// True if `path` is a socket to which nobody listens any more.
bool IsLeftOver(const Address& address) {
  struct stat file;
  if (::stat(address.path().c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

std::string_view WayOut(int error) {
  switch (error) {
    case EADDRINUSE:
      return " (stop the other program, or pass another --listen)";
    case EACCES:
      return " (pass a --listen with a port above 1023 or in a directory of yours, or run as root)";
    case EADDRNOTAVAIL:
      return " (pass a --listen with an address of this machine)";
    default:
      return "";
  }
}

std::unexpected<Error> CannotListen(std::string_view text, int error) {
  return Fail(CodeOfErrno(error), "cannot listen on '{}': {}{}", text, ErrnoText(error),
              WayOut(error));
}

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  if (text.starts_with(kUnix)) return ParseUnix(text, text.substr(kUnix.size()));
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return NoAddress(text);
  uint16_t port = 0;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || failed != std::errc() || end != digits.data() + digits.size())
    return NoAddress(text);
  std::string host(text.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  if (host.starts_with('[') && host.ends_with(']')) {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) != 1) return NoAddress(text);
    return Keep(six);
  }
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &four.sin_addr) != 1) return NoAddress(text);
  return Keep(four);
}

Address Address::Of(int socket) {
  Address address;
  address.size = sizeof address.storage;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

Address Address::OfPeer(int socket) {
  Address address;
  address.size = sizeof address.storage;
  ::getpeername(socket, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  return address;
}

uint16_t Address::port() const {
  switch (storage.ss_family) {
    case AF_INET:
      return ntohs(As<sockaddr_in>(storage).sin_port);
    case AF_INET6:
      return ntohs(As<sockaddr_in6>(storage).sin6_port);
    default:
      return 0;
  }
}

std::string Address::path() const { return is_local() ? As<sockaddr_un>(storage).sun_path : ""; }

std::string Address::ToString() const {
  if (is_local()) return std::string(kUnix) + path();
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET6) {
    const auto six = As<sockaddr_in6>(storage);
    ::inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), port());
  }
  const auto four = As<sockaddr_in>(storage);
  ::inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), port());
}

Result<Fd> ListenOn(std::string_view text) {
  GODWIT_TRY(const Address address, Address::Parse(text).Within("cannot listen"));
  Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return CannotListen(text, errno);
  const int yes = 1;
  if (address.is_local()) {
    if (IsLeftOver(address)) ::unlink(address.path().c_str());
  } else {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  if (::bind(socket.get(), address.get(), address.size) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return CannotListen(text, errno);
  }
  return socket;
}

}  // namespace godwit::http
