// Any bytes as requests, and as a response: what is accepted keeps to the limits, means the same
// however its bytes arrive, and survives being written and read again.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "http/request_parser.h"
#include "http/response_parser.h"
#include "http/wire.h"

namespace {

using namespace godwit;
using namespace godwit::http;

constexpr size_t kMostHeaders = 8;
constexpr size_t kMostBody = 100;
// Where a chunk's header gets too long depends on how much of it is seen at once, but only beyond.
constexpr size_t kAnyStepIsAlike = size_t{16} << 10;

void Must(bool holds) {
  if (!holds) __builtin_trap();
}

Limits Small() {
  Limits limits;
  limits.header_bytes = 1024;
  limits.header_count = kMostHeaders;
  limits.body_bytes = [](std::string_view, std::string_view) { return kMostBody; };
  return limits;
}

Limits None() {
  Limits limits;
  limits.header_bytes = limits.header_count = 0;
  limits.body_bytes = nullptr;
  return limits;
}

struct Session {
  std::vector<Request> requests;
  bool refused = false;
};

// As a connection reads: what the parser leaves is shown again, with `step` bytes more.
Session ReadRequests(std::string_view bytes, size_t step, const Limits& limits) {
  Session session;
  RequestParser parser(limits);
  size_t begin = 0;
  for (size_t end = 0; end < bytes.size();) {
    end = std::min(bytes.size(), end + step);
    while (begin < end) {
      const auto used = parser.Feed(bytes.substr(begin, end - begin));
      if (!used) {
        Must(parser.refusal() >= 400 && parser.refusal() < 600);
        session.refused = true;
        return session;
      }
      Must(*used <= end - begin);
      begin += *used;
      if (parser.done()) {
        session.requests.push_back(parser.Take());
      } else if (*used == 0) {
        break;
      }
    }
  }
  return session;
}

bool Alike(const Request& a, const Request& b) {
  return a.method == b.method && a.target == b.target && a.path == b.path && a.query == b.query &&
         a.body == b.body && a.keep_alive == b.keep_alive &&
         std::ranges::equal(a.headers, b.headers, [](const Header& x, const Header& y) {
           return x.name == y.name && x.value == y.value;
         });
}

void DropFraming(Request& request) {
  std::erase_if(request.headers, [](const Header& header) {
    return std::ranges::any_of(
        std::vector<std::string_view>{"Content-Length", "Transfer-Encoding", "Connection", "Host"},
        [&](std::string_view name) { return EqualsIgnoringCase(name, header.name); });
  });
}

void MustSurviveTheWire(Request request) {
  std::string bytes;
  Must(AppendRequest(bytes, request, "a").has_value());
  const Limits none = None();
  Session again = ReadRequests(bytes, bytes.size(), none);
  Must(again.requests.size() == 1 && !again.refused);
  DropFraming(request);
  DropFraming(again.requests.front());
  Must(Alike(request, again.requests.front()));
}

void FuzzRequests(std::string_view bytes, size_t step) {
  const Limits small = Small();
  const Session session = ReadRequests(bytes, step, small);
  for (const Request& request : session.requests) {
    Must(request.body.size() <= kMostBody);
    Must(request.headers.size() <= kMostHeaders);
    Must(!request.path.empty());
    static_cast<void>(request.Param("Qualifier"));
    MustSurviveTheWire(request);
  }
  if (bytes.size() > kAnyStepIsAlike) return;
  // Of what is never accepted, some is refused and some waits for an end that does not come.
  const Session at_once = ReadRequests(bytes, bytes.size(), small);
  Must(std::ranges::equal(at_once.requests, session.requests, Alike));
}

// The body, or nothing if it was refused.
std::string ReadResponse(std::string_view bytes, size_t step, bool to_head) {
  ResponseParser parser(1024, kMostBody, to_head);
  std::string body;
  size_t begin = 0;
  for (size_t end = 0; end < bytes.size() && !parser.done();) {
    end = std::min(bytes.size(), end + step);
    const auto used = parser.Feed(bytes.substr(begin, end - begin));
    if (!used) return {};
    begin += *used;
    body += parser.TakeBody();
  }
  if (!parser.FeedEnd()) return {};
  body += parser.TakeBody();
  Must(body.size() <= kMostBody);
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  if (size < 2) return 0;
  const size_t step = data[0] == 0 ? size : data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  FuzzRequests(bytes, step);
  for (const bool to_head : {false, true}) {
    const std::string body = ReadResponse(bytes, step, to_head);
    if (size <= kAnyStepIsAlike) Must(body == ReadResponse(bytes, size, to_head));
  }
  return 0;
}
