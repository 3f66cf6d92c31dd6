#include "sites/limits.h"

#include <set>

#include "base/try.h"

namespace godwit::sites {

Result<> CheckKey(const std::string& key) {
  if (key.empty()) return Fail(Code::kInvalid, "a key is empty");
  if (key.size() > kMaxKey)
    return Fail(Code::kTooLarge, "the key '{}...' has {} bytes, of at most {}", key.substr(0, 64),
                key.size(), kMaxKey);
  return {};
}

Result<> CheckCommit(const std::vector<Compare>& compares, const std::vector<Change>& changes) {
  if (compares.size() > kMaxChanges || changes.size() > kMaxChanges)
    return Fail(Code::kTooLarge, "a commit has {} compares and {} changes, of at most {} each",
                compares.size(), changes.size(), kMaxChanges);
  size_t bytes = 0;
  const auto count = [&](const std::string& key,
                         const std::optional<std::string>& value) -> Result<> {
    GODWIT_TRY(CheckKey(key));
    const size_t size = value ? value->size() : 0;
    if (size > kMaxValue)
      return Fail(Code::kTooLarge, "the value of '{}' has {} bytes, of at most {}", key, size,
                  kMaxValue);
    bytes += key.size() + size;
    return {};
  };
  for (const auto& compare : compares) {
    GODWIT_TRY(count(compare.key, compare.value));
    if (!compare.revision && !compare.value)
      return Fail(Code::kInvalid, "a compare of '{}' compares nothing", compare.key);
  }
  std::set<std::string_view> keys;
  for (const auto& change : changes) {
    GODWIT_TRY(count(change.key, change.value));
    if (!keys.insert(change.key).second)
      return Fail(Code::kInvalid, "a commit changes '{}' twice", change.key);
    if (change.lease && !change.value)
      return Fail(Code::kInvalid, "a commit deletes '{}' and gives it a lease", change.key);
  }
  if (bytes > kMaxCommit)
    return Fail(Code::kTooLarge, "a commit has {} bytes, of at most {}", bytes, kMaxCommit);
  return {};
}

}  // namespace godwit::sites
