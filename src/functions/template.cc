#include "functions/template.h"

#include <sys/stat.h>
#include <sys/utsname.h>

#include <array>
#include <fstream>

#include "base/bytes.h"
#include "base/try.h"
#include "functions/environment.h"

namespace godwit::functions {

namespace {

using storage::Database;
using storage::Statement;

// What changes when packages are installed, upgraded or removed: Debian's own list, and the folders
// of modules that come from elsewhere.
constexpr std::array<const char*, 6> kLibraries = {
    "/var/lib/dpkg/status",
    "/usr/lib/python3/dist-packages",
    "/usr/local/lib/python3/dist-packages",
    "/usr/local/lib/node_modules",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/aarch64-linux-gnu/libc.so.6",
};

// Which file it is, links followed, and which content, as far as the file system tells.
std::string Stamp(const std::string& path) {
  struct stat st = {};
  if (::stat(path.c_str(), &st) != 0) return fmt::format("{} -\n", path);
  return fmt::format("{} {}:{} {} {}.{:09}\n", path, st.st_dev, st.st_ino, st.st_size,
                     st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

// A library may have chosen its code by what the processor can.
std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string all;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    if (line.starts_with("model name") || line.starts_with("flags") || line.starts_with("Features"))
      all += line + "\n";
  }
  return all;
}

}  // namespace

KeptInstance Template::AsKept(InstanceId id, uint32_t uid,
                              std::shared_ptr<const Function> function) const {
  KeptInstance kept{facts, image, image_bytes};
  kept.facts.instance = std::move(id);
  kept.facts.uid = uid;
  kept.facts.function = std::move(function);
  return kept;
}

std::string Dependencies(const FunctionSpec& spec, const Settings& settings) {
  utsname kernel = {};
  ::uname(&kernel);
  static const std::string processor = Processor();
  std::string all =
      fmt::format("{}\n{} {} {}\n{}\n{} {}\n", settings.runtimes, kernel.sysname, kernel.release,
                  kernel.machine, processor, settings.region, settings.account);
  switch (RuntimeOf(spec.runtime).value_or(RuntimeKind::kProvided)) {
    case RuntimeKind::kPython:
      all += Stamp("/usr/bin/python3");
      break;
    case RuntimeKind::kNode:
      all += Stamp("/usr/bin/node");
      break;
    case RuntimeKind::kProvided:
      break;
  }
  for (const char* path : kLibraries) all += Stamp(path);
  return ToHex(Sha256(all)).substr(0, 32);
}

Result<> PutTemplate(Database& database, const KeptInstance& kept, const std::string& depends) {
  GODWIT_TRY(Statement * put,
             database.Cached("INSERT OR REPLACE INTO template (function, facts, image, "
                             "image_bytes, depends) VALUES (?, ?, ?, ?, ?)"));
  put->BindAll(kept.facts.function->spec.name, FactsToJson(kept.facts), kept.image.hex,
               kept.image_bytes, depends);
  return put->Run();
}

Result<> DropTemplate(Database& database, const std::string& function,
                      const storage::BlobId& image) {
  GODWIT_TRY(Statement * drop,
             database.Cached("DELETE FROM template WHERE function = ? AND image = ?"));
  drop->BindAll(function, image.hex);
  return drop->Run();
}

Result<std::vector<Template>> AllTemplates(Database& database) {
  GODWIT_TRY(Statement * all,
             database.Cached("SELECT facts, image, image_bytes, depends FROM template ORDER BY "
                             "function"));
  std::vector<Template> templates;
  while (true) {
    GODWIT_TRY(const bool row, all->Step());
    if (!row) return templates;
    Template one;
    one.facts_text = all->Text(0);
    one.image = storage::BlobId{std::string(all->Text(1))};
    one.image_bytes = static_cast<uint64_t>(all->Int(2));
    one.depends = all->Text(3);
    // Those that cannot be read are of no use, and no reason not to start.
    if (auto facts = FactsFromJson(one.facts_text)) one.facts = *std::move(facts);
    one.made = one.facts.wall;
    templates.push_back(std::move(one));
  }
}

}  // namespace godwit::functions
