#include "http/url.h"

#include <gmock/gmock.h>

namespace godwit::http {
namespace {

TEST(UrlTest, EndpointsAreTakenApart) {
  struct Case {
    std::string text, host, port, authority, address;
  };
  for (const Case& c :
       {Case{"http://127.0.0.1:9000", "127.0.0.1", "9000", "127.0.0.1:9000", "127.0.0.1:9000"},
        Case{"http://edge-1.local:9000/", "edge-1.local", "9000", "edge-1.local:9000",
             "edge-1.local:9000"},
        Case{"http://[::1]:9000", "::1", "9000", "[::1]:9000", "[::1]:9000"},
        Case{"http://example.org", "example.org", "80", "example.org", "example.org:80"},
        Case{"http://[fe80::1]", "fe80::1", "80", "[fe80::1]", "[fe80::1]:80"},
        Case{"https://node-b.local", "node-b.local", "443", "node-b.local", "node-b.local:443"},
        Case{"https://[::1]:80", "::1", "80", "[::1]:80", "[::1]:80"},
        Case{"unix:/run/d.sock", "/run/d.sock", "80", "localhost", "unix:/run/d.sock"}}) {
    const auto url = Url::Parse(c.text);
    ASSERT_TRUE(url) << c.text;
    EXPECT_EQ(url->host, c.host);
    EXPECT_EQ(url->port, c.port);
    EXPECT_EQ(url->Authority(), c.authority);
    EXPECT_EQ(url->ToAddress(), c.address);
    EXPECT_EQ(url->tls, c.text.starts_with("https:"));
  }
}

TEST(UrlTest, OtherTextIsRefused) {
  for (const std::string text :
       {"", "127.0.0.1:9000", "http://", "http:///", "http://:9000",
        "http://host:", "http://host:x", "http://host:123456", "http://host/path",
        "http://user@host", "https://", "http://a b", "http://[::1", "http://[]:1",
        "http://host\r\nX: y", "ftp://host", "unix:relative"}) {
    const auto url = Url::Parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code(), Code::kInvalid) << text;
  }
}

}  // namespace
}  // namespace godwit::http
