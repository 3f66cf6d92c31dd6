// A client of the AWS Lambda Runtime API (2018-06-01) in one header, of nothing but C++ and POSIX.
//
// Use it in an executable named `bootstrap`, which is all that the runtime `provided` asks for:
//   int main() { return lambda::Run([](const lambda::Invocation& call) { return call.event; }); }
// Threads: Run() uses the calling one, and one connection that lives as long as the process.
// Failure: a handler's Failure, or the exception that it throws, becomes the error of that call.
// Run() returns only if the Runtime API is out of reach, after saying so on stderr; return what it
// returns.
// Nothing here has a time-out: a function may be put away in any wait, and come back days later.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace lambda {

struct Invocation {
  std::string request_id;
  std::string event;         // JSON, as the caller sent it
  std::string function_arn;  // as invoked
  std::string trace_id;      // these two are empty if the caller gave none
  std::string client_context;
  std::int64_t deadline_ms = 0;  // since the epoch, as of the beginning of the call
  int attempt = 1;               // Godwit's own: counts the runs of an asynchronous call
};

struct Failure {
  std::string type;  // such as "Function.BadEvent"
  std::string message;
};

// The result is JSON too.
using Outcome = std::expected<std::string, Failure>;
using Handler = std::function<Outcome(const Invocation&)>;

// Serves invocations one after the other.
inline int Run(const Handler& handler);

// The text as a JSON string, quotes included.
inline std::string Quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      (json += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      json += escape;
    } else {
      json += c;
    }
  }
  return json += '"';
}

namespace internal {

// The connection is gone, or does not speak HTTP.
struct Broken {
  std::string why;
};

struct Reply {
  int status = 0;
  std::string head;  // each line ends with \r\n
  std::string body;

  std::string Header(std::string_view name) const {
    for (size_t at = head.find("\r\n"); at + 2 < head.size(); at = head.find("\r\n", at + 2)) {
      const std::string_view line = std::string_view(head).substr(at + 2);
      if (line.size() <= name.size() || line[name.size()] != ':') continue;
      if (::strncasecmp(line.data(), name.data(), name.size()) != 0) continue;
      const std::string_view value =
          line.substr(name.size() + 1, line.find('\r') - name.size() - 1);
      const size_t begin = value.find_first_not_of(" \t");
      if (begin == value.npos) return "";
      return std::string(value.substr(begin, value.find_last_not_of(" \t") + 1 - begin));
    }
    return "";
  }

  std::int64_t Number(std::string_view name, std::int64_t otherwise) const {
    const std::string text = Header(name);
    std::int64_t value = otherwise;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
};

// One HTTP/1.1 connection, kept.
class Connection {
 public:
  explicit Connection(const std::string& address) {
    const size_t colon = address.find(':');
    const std::string host = address.substr(0, colon);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(static_cast<std::uint16_t>(
        std::atoi(colon == address.npos ? "80" : address.c_str() + colon + 1)));
    if (::inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host.c_str(), &peer.sin_addr) !=
        1) {
      throw Broken{"its host is not an IPv4 address"};
    }
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0 || ::connect(socket_, reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0) {
      throw Broken{std::strerror(errno)};
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(socket_); }

  void Send(std::string_view request) {
    while (!request.empty()) {
      const ssize_t sent = ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR) throw Broken{std::strerror(errno)};
      if (sent > 0) request.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // Waits for it as long as it takes.
  Reply Receive() {
    Reply reply;
    reply.head = TakeThrough("\r\n\r\n");
    reply.head.resize(reply.head.size() - 2);
    if (reply.head.size() > 9) reply.status = std::atoi(reply.head.c_str() + 9);
    if (reply.Header("Transfer-Encoding") == "chunked") {
      while (const size_t size = std::strtoul(TakeThrough("\r\n").c_str(), nullptr, 16)) {
        reply.body += Take(size);
        TakeThrough("\r\n");
      }
      while (TakeThrough("\r\n") != "\r\n") continue;  // trailers
    } else {
      reply.body = Take(static_cast<size_t>(reply.Number("Content-Length", 0)));
    }
    return reply;
  }

 private:
  std::string TakeThrough(std::string_view end) {
    size_t at;
    while ((at = received_.find(end)) == received_.npos) Fill();
    return Take(at + end.size());
  }

  std::string Take(size_t size) {
    while (received_.size() < size) Fill();
    std::string taken = received_.substr(0, size);
    received_.erase(0, size);
    return taken;
  }

  void Fill() {
    char buffer[65536];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count == 0) throw Broken{"the other end closed the connection"};
    if (count < 0 && errno != EINTR) throw Broken{std::strerror(errno)};
    if (count > 0) received_.append(buffer, static_cast<size_t>(count));
  }

  int socket_ = -1;
  std::string received_;  // but not asked for yet
};

inline std::string Post(const std::string& path, const std::string& headers,
                        const std::string& body) {
  return "POST /2018-06-01/runtime/" + path + " HTTP/1.1\r\nHost: godwit\r\n" + headers +
         "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// The request that tells how the call ended.
inline std::string Answer(const Handler& handler, const Invocation& call) {
  Outcome outcome = std::unexpected(Failure{});
  try {
    outcome = handler(call);
  } catch (const std::exception& error) {
    outcome = std::unexpected(Failure{"std::exception", error.what()});
  }
  const std::string path = "invocation/" + call.request_id;
  if (outcome) return Post(path + "/response", "", *outcome);
  const auto& [type, message] = outcome.error();
  return Post(path + "/error", "Lambda-Runtime-Function-Error-Type: " + type + "\r\n",
              "{\"errorMessage\":" + Quoted(message) + ",\"errorType\":" + Quoted(type) +
                  ",\"stackTrace\":[]}");
}

inline Invocation Accept(Reply reply) {
  Invocation call;
  call.request_id = reply.Header("Lambda-Runtime-Aws-Request-Id");
  if (reply.status != 200 || call.request_id.empty()) {
    throw Broken{"asked for an event, it answered " + std::to_string(reply.status)};
  }
  call.event = std::move(reply.body);
  call.function_arn = reply.Header("Lambda-Runtime-Invoked-Function-Arn");
  call.trace_id = reply.Header("Lambda-Runtime-Trace-Id");
  call.client_context = reply.Header("Lambda-Runtime-Client-Context");
  call.deadline_ms = reply.Number("Lambda-Runtime-Deadline-Ms", 0);
  call.attempt = static_cast<int>(reply.Number("Godwit-Attempt", 1));
  return call;
}

}  // namespace internal

inline int Run(const Handler& handler) {
  constexpr std::string_view kNext =
      "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: godwit\r\n\r\n";
  const char* address = std::getenv("AWS_LAMBDA_RUNTIME_API");
  try {
    internal::Connection api(address == nullptr ? "" : address);
    api.Send(kNext);
    while (true) {
      // The answer and the question for the next event leave in one packet.
      api.Send(internal::Answer(handler, internal::Accept(api.Receive())).append(kNext));
      const internal::Reply verdict = api.Receive();
      if (verdict.status >= 300) {
        std::fprintf(stderr, "the answer was refused: %d %s\n", verdict.status,
                     verdict.body.c_str());
      }
    }
  } catch (const internal::Broken& broken) {
    std::fprintf(stderr, "cannot talk to the Runtime API at '%s': %s (the function ends here)\n",
                 address == nullptr ? "" : address, broken.why.c_str());
    return 1;
  }
}

}  // namespace lambda
