// The verb `deploy`.
#include <fcntl.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>

#include "base/fd.h"
#include "base/try.h"
#include "cli/client.h"
#include "cli/guess.h"
#include "cli/human.h"
#include "cli/json_text.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/verbs.h"
#include "storage/archive.h"

namespace godwit::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr size_t kMaxZip =
    256 * 1024 * 1024;  // bytes; the node refuses far less, with the true limit

// The folder's own name, also of "." and "examples/greeter/".
Result<std::string> NameOf(const Args& args) {
  if (const auto name = args.Find("--name")) return *name;
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(args.Get("DIR"), error);
  const std::string name = fs::is_directory(whole) ? whole.filename() : whole.stem();
  const bool plain = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (plain) return name;
  return Fail(Code::kInvalid, "'{}' is no name for a function (give it one with --name)", name);
}

Result<std::string> ReadCode(const std::string& path) {
  if (fs::is_directory(path)) return storage::ZipDirectory(path);
  if (!path.ends_with(".zip")) {
    return fs::exists(path) ? Fail(Code::kInvalid, "it is neither a folder nor a .zip file")
                            : Fail(Code::kNotFound, "there is no such folder");
  }
  GODWIT_TRY(const Fd file, Open(path, O_RDONLY));
  return ReadAll(file.get(), kMaxZip);
}

// The settings that the flags name, as Lambda's CreateFunction and UpdateFunctionConfiguration take
// them.
Result<json::object> Settings(const Args& args) {
  json::object settings;
  if (const auto runtime = args.Find("--runtime")) settings["Runtime"] = *runtime;
  if (const auto handler = args.Find("--handler")) settings["Handler"] = *handler;
  GODWIT_TRY(const auto timeout, args.Number("--timeout"));
  if (timeout) settings["Timeout"] = *timeout;
  GODWIT_TRY(const auto memory, args.Number("--memory"));
  if (memory) settings["MemorySize"] = *memory;
  if (const auto network = args.Find("--network")) {
    if (*network != "nat" && *network != "none") {
      return Fail(Code::kInvalid, "there is no network '{}' (write --network nat, or none)",
                  *network);
    }
    json::array subnets;
    if (*network == "nat") subnets.emplace_back("nat");
    settings["VpcConfig"] =
        json::object{{"SubnetIds", std::move(subnets)}, {"SecurityGroupIds", json::array()}};
  }
  json::object variables;
  for (const auto& pair : args.All("--env")) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail(Code::kInvalid, "--env wants NAME=VALUE, not '{}'", pair);
    }
    variables[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (!variables.empty())
    settings["Environment"] = json::object{{"Variables", std::move(variables)}};
  return settings;
}

struct Deployed {
  json::value configuration;
  bool created = false;
  std::string why;  // how runtime and handler were found
};

Result<Deployed> Create(const Args& args, NodeClient& node, const std::string& name,
                        const std::string& zip, json::object settings) {
  const std::string path = args.Get("DIR");
  Guess guess{args.Get("--runtime"), args.Get("--handler"), ""};
  if (fs::is_directory(path)) {
    GODWIT_TRY(guess, GuessRuntime(path, args.Find("--runtime"), args.Find("--handler")));
  } else if (guess.runtime.empty() || guess.handler.empty()) {
    return Fail(Code::kInvalid,
                "a .zip file does not tell its runtime (give --runtime and --handler)");
  }
  settings["FunctionName"] = name;
  settings["Runtime"] = guess.runtime;
  settings["Handler"] = guess.handler;
  settings["Role"] = "arn:aws:iam::000000000000:role/godwit";  // Lambda wants one; Godwit uses none
  settings["Code"] = json::object{{"ZipFile", ToBase64(zip)}};
  GODWIT_TRY(auto made, node.Post("/2015-03-31/functions", settings));
  return Deployed{std::move(made), true,
                  guess.file.empty() ? "" : fmt::format(" (guessed from {})", guess.file)};
}

// What the flags do not name stays as it is. The code is tried first, so that a refusal changes
// nothing.
Result<Deployed> Update(NodeClient& node, const std::string& name, const std::string& zip,
                        const json::object& settings) {
  const std::string path = FunctionPath(name);
  json::object code = {{"ZipFile", ToBase64(zip)}};
  if (!settings.empty()) {
    json::object trial = code;
    trial["DryRun"] = true;
    GODWIT_TRY(node.Put(path + "/code", trial));
    GODWIT_TRY(node.Put(path + "/configuration", settings));
  }
  GODWIT_TRY(auto updated, node.Put(path + "/code", code));
  return Deployed{std::move(updated), false, ""};
}

Result<> Run(const Args& args, Shell& shell) {
  GODWIT_TRY(json::object settings, Settings(args));
  GODWIT_TRY(const std::string name, NameOf(args));
  GODWIT_TRY(const std::string zip, ReadCode(args.Get("DIR")));
  shell.out.Progress(fmt::format("{}: sending {} of code", name, HumanBytes(zip.size())));
  const auto there = shell.node.Get(FunctionPath(name) + "/configuration");
  if (!there && there.error().code() != Code::kNotFound) return std::unexpected(there.error());
  GODWIT_TRY(const Deployed done, there ? Update(shell.node, name, zip, settings)
                                        : Create(args, shell.node, name, zip, std::move(settings)));
  const auto* function = done.configuration.if_object();
  if (shell.out.json() || function == nullptr) {
    shell.out.Show(done.configuration);
    return {};
  }
  shell.out.Line(fmt::format("{} {}: {}, {}{}, {} of code", name,
                             done.created ? "created" : "updated", Str(*function, "Runtime"),
                             Str(*function, "Handler"), done.why,
                             HumanBytes(Num(*function, "CodeSize"))));
  return {};
}

}  // namespace

Verb DeployVerb() {
  return {
      .name = "deploy",
      .brief = "Deploy a folder as a function, new or anew",
      .details =
          "Zips DIR and creates the function, or updates its code and the settings that flags "
          "name; "
          "other settings stay as they are. What is not said is guessed from the files: bootstrap "
          "is "
          "provided; index.js, index.mjs or index.cjs is nodejs index.handler; lambda_function.py "
          "is "
          "python3 lambda_function.lambda_handler; handler.py, main.py, app.py or the only .py "
          "file "
          "is python3 with its `handler`.",
      .example =
          "godwit deploy examples/greeter\n"
          "godwit deploy build/fn --name native --runtime provided --timeout 60 --env LEVEL=debug",
      .operands = {{"DIR", "the folder with the code, or a .zip file"}},
      .flags = {{"--name", "NAME", "of the function; else the folder's name"},
                {"--runtime", "RUNTIME", "python3, nodejs, provided, or a name as AWS has them",
                 false, "python3 nodejs provided"},
                {"--handler", "HANDLER", "FILE.FUNCTION, such as app.handler"},
                {"--timeout", "SECONDS",
                 "a call may run so long, time put away not counted; 1 to 900"},
                {"--memory", "MB", "an instance may use so much; 128 to 10240"},
                {"--network", "NETWORK",
                 "nat: through this machine to the world; none (the default)", false, "nat none"},
                {"--env", "NAME=VALUE", "a variable of the function's environment", true}},
      .run = Run};
}

}  // namespace godwit::cli
