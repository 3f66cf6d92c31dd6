#include "cli/guess.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "base/fd.h"
#include "base/try.h"

namespace godwit::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSource = 4 * 1024 * 1024;  // bytes of a file that is looked into

struct Family {
  std::string_view runtime;
  std::vector<std::string_view> extensions;
  std::vector<std::string_view> stems;  // the usual names of the main file, best first
};

const std::array<Family, 2> kFamilies = {
    {{"nodejs", {".js", ".mjs", ".cjs"}, {"index", "handler", "main", "app"}},
     {"python3", {".py"}, {"lambda_function", "handler", "main", "app", "index"}}}};

bool IsOf(const Family& family, const fs::path& file) {
  return std::ranges::find(family.extensions, file.extension().string()) != family.extensions.end();
}

Result<std::vector<fs::path>> FilesIn(const std::string& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    files.push_back(it->path());
  }
  if (error)
    return Fail(CodeOfErrno(error.value()), "cannot read '{}': {}", directory, error.message());
  std::ranges::sort(files);
  return files;
}

// The name of the function in `file` that takes calls.
std::string EntryOf(const fs::path& file) {
  std::string source;
  if (const auto opened = Open(file, O_RDONLY)) {
    source = ReadAll(opened->get(), kMaxSource).value_or("");
  }
  const bool aws = source.contains("lambda_handler");
  const bool plain = source.contains("def handler") || source.contains("exports.handler") ||
                     source.contains("function handler") || source.contains("const handler");
  return aws && !plain ? "lambda_handler" : "handler";
}

std::optional<fs::path> MainFile(const Family& family, const std::vector<fs::path>& files) {
  std::vector<fs::path> ours;
  std::ranges::copy_if(files, std::back_inserter(ours),
                       [&](const auto& f) { return IsOf(family, f); });
  for (const auto stem : family.stems) {
    const auto found = std::ranges::find_if(ours, [&](const auto& f) { return f.stem() == stem; });
    if (found != ours.end()) return *found;
  }
  if (ours.size() == 1) return ours.front();
  return std::nullopt;
}

bool Fits(std::string_view runtime, const Family& family) {
  return runtime.starts_with(family.runtime.substr(0, 6));  // "python3", "python3.11", "nodejs20.x"
}

}  // namespace

Result<Guess> GuessRuntime(const std::string& directory, const std::optional<std::string>& runtime,
                           const std::optional<std::string>& handler) {
  if (runtime && handler) return Guess{*runtime, *handler, ""};
  GODWIT_TRY(const auto files, FilesIn(directory));
  const fs::path bootstrap = fs::path(directory) / "bootstrap";
  const bool has_bootstrap = std::ranges::find(files, bootstrap) != files.end();
  if (runtime ? runtime->starts_with("provided") : has_bootstrap && !handler) {
    if (!has_bootstrap) {
      return Fail(Code::kInvalid, "there is no file 'bootstrap' in it, which runtime '{}' starts",
                  *runtime);
    }
    if (::access(bootstrap.c_str(), X_OK) != 0) {
      return Fail(Code::kInvalid, "its bootstrap is not executable (chmod +x '{}')",
                  bootstrap.string());
    }
    return Guess{runtime.value_or("provided"), handler.value_or("bootstrap"), "bootstrap"};
  }
  std::vector<Guess> guesses;
  for (const auto& family : kFamilies) {
    if (runtime && !Fits(*runtime, family)) continue;
    const auto with_handler = [&](const auto& file) {
      return IsOf(family, file) && handler->starts_with(file.stem().string() + ".");
    };
    std::optional<fs::path> file;
    if (handler) {
      const auto found = std::ranges::find_if(files, with_handler);
      if (found != files.end()) file = *found;
    } else {
      file = MainFile(family, files);
    }
    if (!file) continue;
    guesses.push_back({runtime.value_or(std::string(family.runtime)),
                       handler ? *handler : file->stem().string() + "." + EntryOf(*file),
                       file->filename().string()});
  }
  if (guesses.size() == 1) return guesses.front();
  if (guesses.empty() && handler) {
    return Fail(Code::kInvalid,
                "handler '{}' names no file in it (FILE.FUNCTION; or name the runtime too, with "
                "--runtime)",
                *handler);
  }
  if (guesses.empty()) {
    return Fail(Code::kInvalid, "no file in it tells the {} (name it with {})",
                runtime ? "handler" : "runtime and handler",
                runtime ? "--handler FILE.FUNCTION" : "--runtime and --handler");
  }
  return Fail(Code::kInvalid, "both '{}' and '{}' could be its main file (choose with --runtime)",
              guesses[0].file, guesses[1].file);
}

}  // namespace godwit::cli
