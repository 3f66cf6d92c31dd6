#include "sites/coordinators.h"

#include "base/files.h"
#include "base/try.h"
#include "sites/etcd_coordinator.h"
#include "sites/etcd_options.h"
#include "sites/sqlite_coordinator.h"

namespace godwit::sites {

bool IsLone(std::string_view url) { return url == kLoneCoordinator; }

Result<> CheckCoordinator(std::string_view url) {
  if (IsLone(url)) return {};
  GODWIT_TRY(EtcdOptions::Parse(url));
  return {};
}

std::string Shown(std::string_view url) {
  const size_t at = url.rfind('@');
  const size_t begin = url.find("://");
  if (at == url.npos || begin == url.npos) return std::string(url);
  return std::string(url.substr(0, begin + 3)) + "...@" + std::string(url.substr(at + 1));
}

Result<std::unique_ptr<Coordinator>> OpenCoordinator(boost::asio::any_io_executor executor,
                                                     const std::string& url,
                                                     const Identity& identity,
                                                     const std::string& data, const Clock& clock,
                                                     Log log) {
  if (IsLone(url)) {
    GODWIT_TRY(auto lone, SqliteCoordinator::Open(executor, SiteDirectory(data) + "/coordinator.db",
                                                  clock, std::move(log)));
    return std::unique_ptr<Coordinator>(std::move(lone));
  }
  GODWIT_TRY(EtcdOptions options, EtcdOptions::Parse(url));
  if (url.starts_with("etcds://")) {
    http::TlsOptions tls = identity.Tls();
    const auto more = DiskFiles()->Read(SiteDirectory(data) + "/etcd.crt", size_t{1} << 20);
    if (more) tls.authorities += *more;
    if (!more && more.error().code() != Code::kNotFound) return std::unexpected(more.error());
    GODWIT_TRY(options.http.tls, http::TlsContext::Make(tls));
  }
  return std::make_unique<EtcdCoordinator>(std::move(executor), std::move(options));
}

}  // namespace godwit::sites
