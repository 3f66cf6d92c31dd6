#pragma once

// Boost.Beast's incremental parser, filling one of our messages.
//
// Included by the two parsers of this folder alone: it is heavy. Beast does the grammar of RFC 9112
// (tokens, control bytes, Content-Length, chunks, trailers); what it lets pass and we do not is
// checked by those who use this class. Trailers are checked and dropped, for a trailer that became
// a header would be a way past whoever reads headers first. Threads: one at a time. Failure:
// Beast's error codes; `too_many` tells one of its own.
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace godwit::http {

// The shortest chunked body, "0\r\n\r\n". Beast asserts that it never sees less of one at its
// beginning.
inline constexpr size_t kLeastChunks = 5;

template <bool kIsRequest>
class BeastMessage : public boost::beast::http::basic_parser<kIsRequest> {
 public:
  using Error = boost::beast::error_code;
  using View = boost::beast::string_view;
  using Field = boost::beast::http::field;

  // `header_count` of zero is no limit. Sizes are the caller's to check, before bytes come here.
  explicit BeastMessage(size_t header_count) : header_count_(header_count) {
    this->header_limit(UINT32_MAX);
    this->body_limit(boost::none);
  }

  std::string method;  // of a request
  std::string target;
  int status = 0;    // of a response
  int version = 11;  // 10 or 11
  std::vector<Header> headers;
  std::string body;            // what came since the caller last took it
  size_t hosts = 0;            // how many Host headers
  bool coded = false;          // there is a Transfer-Encoding
  bool only_chunked = true;    // and it is "chunked" and nothing else
  bool plain_length = true;    // each Content-Length is digits and nothing else
  bool expects = false;        // there is an Expect ...
  bool expects_other = false;  // ... for something that is not 100-continue
  bool too_many = false;       // the error is: more headers than allowed

 private:
  static std::string_view Std(View text) { return {text.data(), text.size()}; }

  void on_request_impl(boost::beast::http::verb, View name, View where, int number,
                       Error&) override {
    method = Std(name);
    target = Std(where);
    version = number;
    headers.reserve(12);
  }
  void on_response_impl(int code, View, int number, Error&) override {
    status = code;
    version = number;
  }

  void on_field_impl(Field field, View name, View value, Error& error) override {
    if (in_body_) return;
    if (headers.size() == header_count_ && header_count_ > 0) {
      too_many = true;
      error = boost::beast::http::error::header_limit;
      return;
    }
    Note(field, Std(value));
    headers.emplace_back(std::string(Std(name)), std::string(Std(value)));
  }

  void Note(Field field, std::string_view value) {
    switch (field) {
      case Field::host:
        ++hosts;
        break;
      case Field::transfer_encoding:
        only_chunked = !coded && EqualsIgnoringCase(value, "chunked");
        coded = true;
        break;
      case Field::content_length:
        plain_length &= !value.empty() && value.find_first_not_of("0123456789") == value.npos;
        break;
      case Field::expect:
        expects = true;
        expects_other |= !EqualsIgnoringCase(value, "100-continue");
        break;
      default:
        break;
    }
  }

  void on_header_impl(Error&) override { in_body_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  size_t on_body_impl(View piece, Error&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
  size_t on_chunk_body_impl(std::uint64_t, View piece, Error&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_finish_impl(Error&) override {}

  size_t header_count_;
  bool in_body_ = false;
};

}  // namespace godwit::http
