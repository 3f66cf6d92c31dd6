// Any bytes as what an etcd answers: refused, or what is read keeps to the rules; and as a stream
// of lines, which come out the same however they come in.
#include <string>
#include <string_view>
#include <vector>

#include "sites/etcd_codec.h"
#include "sites/etcd_lines.h"
#include "sites/records.h"

namespace {

using namespace godwit::sites;

void Hold(bool rule) {
  if (!rule) __builtin_trap();
}

void ReadAnswers(std::string_view bytes) {
  if (const auto range = etcd::ReadRange(bytes)) {
    for (const auto& entry : range->entries) Hold(!entry.key.empty() && entry.revision > 0);
    Hold(range->revision >= 0);
  }
  if (const auto grant = etcd::ReadGrant(bytes))
    Hold(grant->lease.number > 0 && grant->seconds >= 0);
  if (const auto kept = etcd::ReadKeepAlive(bytes)) Hold(kept->lease.number > 0);
  if (const auto token = etcd::ReadToken(bytes)) Hold(token->find('\n') == token->npos);
  static_cast<void>(etcd::ReadTxn(bytes));
  if (const auto watched = etcd::ReadWatched(bytes)) {
    for (const auto& event : watched->events) Hold(!event.key.empty() && event.revision > 0);
  }
  const auto refusal = etcd::ReadRefusal(500, bytes);
  Hold(refusal.code >= 0 && refusal.code < 17 && !refusal.text.empty());
  static_cast<void>(etcd::ReadReason(bytes));
}

void ReadRecords(std::string_view bytes) {
  static_cast<void>(ReadMember("/members/a", bytes));
  static_cast<void>(ReadToken("/tokens/00", bytes));
  static_cast<void>(ReadLiving("/alive/a", bytes));
  static_cast<void>(ReadFunction("/functions/f", bytes));
  constexpr std::string_view kKey = "/instances/i-3f9a0c51b2";
  if (const auto instance = ReadInstance(kKey, bytes)) {
    Hold(instance->epoch > 0 && IsNodeName(instance->owner));
    Hold(ReadInstance(kKey, ToJson(*instance)).value() == *instance);
  }
}

void ReadLines(std::string_view bytes) {
  etcd::Lines whole(size_t{1} << 10);
  const auto at_once = whole.Feed(bytes);
  etcd::Lines pieces(size_t{1} << 10);
  std::vector<std::string> joined;
  bool good = true;
  for (size_t at = 0; at < bytes.size() && good; at += 3) {
    const auto some = pieces.Feed(bytes.substr(at, 3));
    good = some.has_value();
    if (good) joined.insert(joined.end(), some->begin(), some->end());
  }
  Hold(good == at_once.has_value() && (!good || joined == *at_once));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ReadAnswers(bytes);
  ReadRecords(bytes);
  ReadLines(bytes);
  return 0;
}
