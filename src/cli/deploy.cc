// The verb `deploy`.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>

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

constexpr size_t kPieceBytes = size_t{8} << 20;  // of an image, at once
constexpr size_t kMaxZip =
    256 * 1024 * 1024;  // bytes; the node refuses far less, with the true limit

// What no function needs, of version control, caches and other tools.
constexpr std::string_view kLeftOut[] = {".git",        ".hg",      ".svn",
                                         "__pycache__", ".aws-sam", ".DS_Store"};

bool IsWordOf(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.contains(c);
  });
}

// The folder's own name, also of "." and "examples/greeter/"; with an image the operand itself.
Result<std::string> NameOf(const Args& args) {
  const auto given = args.Has("--image") ? args.Find("DIR") : args.Find("--name");
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(args.Get("DIR"), error);
  const std::string own = fs::is_directory(whole) ? whole.filename() : whole.stem();
  const std::string name = given.value_or(own);
  if (!name.empty() && name.size() <= 64 && IsWordOf(name, "-_")) return name;
  return Fail(Code::kInvalid, "'{}' is no name for a function ({} 1 to 64 letters, digits, - or _)",
              name, given ? "give" : "give it one with --name:");
}

Result<std::string> ReadCode(const std::string& path) {
  if (fs::is_directory(path)) return storage::ZipDirectory(path, {}, kLeftOut);
  if (!path.ends_with(".zip")) {
    return fs::exists(path) ? Fail(Code::kInvalid, "it is neither a folder nor a .zip file")
                            : Fail(Code::kNotFound, "there is no such folder");
  }
  GODWIT_TRY(const Fd file, Open(path, O_RDONLY));
  GODWIT_TRY(std::string zip, ReadAll(file.get(), kMaxZip));
  if (zip.starts_with("PK")) return zip;
  return Fail(Code::kInvalid, "it is not a zip file (name the folder itself, and it is zipped)");
}

Result<> NumberBetween(const Args& args, const std::string& flag, int64_t least, int64_t most,
                       std::string_view setting, json::object& settings) {
  GODWIT_TRY(const auto number, args.Number(flag));
  if (!number) return {};
  if (*number < least || *number > most)
    return Fail(Code::kInvalid, "{} is {} (give {} to {})", flag, *number, least, most);
  settings[setting] = *number;
  return {};
}

// The settings that the flags name, as Lambda's CreateFunction and UpdateFunctionConfiguration take
// them; without the environment.
Result<json::object> Settings(const Args& args) {
  json::object settings;
  if (const auto runtime = args.Find("--runtime")) settings["Runtime"] = *runtime;
  if (const auto handler = args.Find("--handler")) settings["Handler"] = *handler;
  GODWIT_TRY(NumberBetween(args, "--timeout", 1, 900, "Timeout", settings));
  GODWIT_TRY(NumberBetween(args, "--memory", 128, 10240, "MemorySize", settings));
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
  if (const auto prebake = args.Find("--prebake")) {
    if (*prebake != "on" && *prebake != "off")
      return Fail(Code::kInvalid, "--prebake is on or off, not '{}'", *prebake);
    settings["SnapStart"] =
        json::object{{"ApplyOn", *prebake == "on" ? "PublishedVersions" : "None"}};
  }
  if (const auto event = args.Find("--warm-up")) settings["GodwitWarmUp"] = *event;
  return settings;
}

// What --env and --unset-env say: a value, or that it goes.
Result<std::map<std::string, std::optional<std::string>>> Variables(const Args& args) {
  std::map<std::string, std::optional<std::string>> variables;
  for (const auto& pair : args.All("--env")) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return Fail(Code::kInvalid, "--env wants NAME=VALUE, not '{}'", pair);
    const std::string name = pair.substr(0, equals);
    const bool good = name.size() >= 2 && IsWordOf(name, "_") && IsWordOf(name.substr(0, 1), "") &&
                      (name[0] < '0' || name[0] > '9');
    if (!good) {
      return Fail(Code::kInvalid,
                  "'{}' is no name for a variable (give two or more letters, digits or _, a letter "
                  "first)",
                  name);
    }
    variables[name] = pair.substr(equals + 1);
  }
  for (const auto& name : args.All("--unset-env")) {
    if (name.contains('=') || variables.contains(name)) {
      return Fail(Code::kInvalid,
                  "--unset-env wants the NAME of a variable that --env does not "
                  "set, not '{}'",
                  name);
    }
    variables[name] = std::nullopt;
  }
  return variables;
}

// The environment with these changes. If it is that of a function that is there, the update is
// tied to the revision that was looked at.
void Merge(const std::map<std::string, std::optional<std::string>>& changes,
           const json::object* there, json::object& settings) {
  if (changes.empty()) return;
  json::object variables;
  if (there != nullptr) {
    const auto* environment = Member(*there, "Environment");
    const auto* kept = environment == nullptr ? nullptr : Member(*environment, "Variables");
    if (kept != nullptr) variables = *kept;
    if (const auto revision = Str(*there, "RevisionId"); !revision.empty())
      settings["RevisionId"] = revision;
  }
  for (const auto& [name, value] : changes) {
    if (value) {
      variables[name] = *value;
    } else {
      variables.erase(name);
    }
  }
  settings["Environment"] = json::object{{"Variables", std::move(variables)}};
}

// Lambda's words for what only the node knows, in the form of all others.
Error InPlainWords(const Error& error) {
  const std::string text = error.ToString();
  constexpr std::string_view kReserved = "Reserved keys used in this request: ";
  if (const size_t at = text.find(kReserved); at != std::string::npos) {
    return {error.code(), fmt::format("'{}' is set by the platform (leave it out of --env)",
                                      text.substr(at + kReserved.size()))};
  }
  if (text.contains("exceeded the 4KB limit")) {
    return {error.code(),
            "names and values of the variables have more than 4096 bytes in all (put what is long "
            "into a file of the code)"};
  }
  return error;
}

// Sends a tar, and gives the name that the image has from now on.
Result<std::string> SendImage(const std::string& path, Shell& shell) {
  GODWIT_TRY(const Fd file, Open(path, O_RDONLY));
  GODWIT_TRY(const json::value begun, shell.node.Post("/godwit/v1/uploads", json::object()));
  const auto* const upload = begun.if_object();
  if (upload == nullptr) return Fail(Code::kUnavailable, "the node does not take images");
  const std::string target = "/godwit/v1/uploads/" + Str(*upload, "upload");
  std::string piece(kPieceBytes, '\0');
  uint64_t sent = 0;
  while (true) {
    const ssize_t n = ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(sent));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read '{}'", path);
    if (n == 0) break;
    http::Request request = Ask("PUT", fmt::format("{}?at={}", target, sent));
    request.body = piece.substr(0, static_cast<size_t>(n));
    GODWIT_TRY(shell.node.Send(std::move(request)));
    sent += static_cast<uint64_t>(n);
    shell.out.Progress(fmt::format("sent {} of the image", HumanBytes(sent)));
  }
  GODWIT_TRY(const json::value done, shell.node.Post(target + "/image", json::object()));
  const auto* const image = done.if_object();
  return image == nullptr ? "" : Str(*image, "image");
}

// A tar is sent to the node; any other word is a name at the Docker Engine.
Result<std::string> ImageOf(const Args& args, Shell& shell) {
  const std::string image = args.Get("--image");
  std::error_code error;
  if (fs::is_regular_file(image, error)) {
    if (args.Get("--engine") == "docker") {
      return Fail(Code::kInvalid,
                  "'{}' is a file, and the Docker Engine wants the name of an image that it has "
                  "(`docker load -i {}` tells it)",
                  image, image);
    }
    return SendImage(image, shell);
  }
  const bool is_file = image.contains(".tar") || image.starts_with('.') || image.starts_with('/');
  if (is_file) return Fail(Code::kNotFound, "there is no file '{}'", image);
  return image;
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
  if (const auto engine = args.Find("--engine")) settings["Engine"] = *engine;
  GODWIT_TRY(auto made, node.Post("/2015-03-31/functions", settings));
  return Deployed{std::move(made), true,
                  guess.file.empty() ? "" : fmt::format(" (guessed from {})", guess.file)};
}

Result<Deployed> CreateFromImage(const Args& args, NodeClient& node, const std::string& name,
                                 const std::string& image, json::object settings) {
  settings["FunctionName"] = name;
  settings["PackageType"] = "Image";
  settings["Role"] = "arn:aws:iam::000000000000:role/godwit";
  settings["Code"] = json::object{{"ImageUri", image}};
  if (const auto engine = args.Find("--engine")) settings["Engine"] = *engine;
  GODWIT_TRY(auto made, node.Post("/2015-03-31/functions", settings));
  return Deployed{std::move(made), true, ""};
}

// Who runs a function is said when it is created.
Result<> CheckEngine(const Args& args, const std::string& name, const json::object& there) {
  const std::string own = Str(there, "Engine").empty() ? "native" : Str(there, "Engine");
  const std::string asked = args.Find("--engine").value_or(own);
  if (asked == own) return {};
  return Fail(Code::kConflict, "its engine is {} (`godwit rm {}`, and deploy it anew)", own, name);
}

// What the flags do not name stays as it is. The code is tried first, so that a refusal changes
// nothing.
Result<Deployed> Update(NodeClient& node, const std::string& name, const json::object& code,
                        const json::object& settings) {
  const std::string path = FunctionPath(name);
  if (!settings.empty()) {
    json::object trial = code;
    trial["DryRun"] = true;
    GODWIT_TRY(node.Put(path + "/code", trial));
    GODWIT_TRY(node.Put(path + "/configuration", settings));
  }
  GODWIT_TRY(auto updated, node.Put(path + "/code", code));
  return Deployed{std::move(updated), false, ""};
}

// " (runs on …)" where the runtime names a version that is not the host's.
std::string OnWhat(const std::string& runtime, NodeClient& node) {
  const bool python = runtime.starts_with("python3.");
  const bool node_js = runtime.starts_with("nodejs") && runtime.ends_with(".x");
  if (!python && !node_js) return "";
  const auto answer = node.Get("/godwit/v1/node");
  const auto* object = answer ? answer->if_object() : nullptr;
  const auto* features = object == nullptr ? nullptr : object->if_contains("features");
  if (features == nullptr || !features->is_array()) return "";
  const std::string name = python ? "python3" : "nodejs";
  for (const auto& value : features->get_array()) {
    const auto* feature = value.if_object();
    if (feature == nullptr || Str(*feature, "name") != name) continue;
    if (!Flagged(*feature, "present"))
      return fmt::format("; the node's host has no {}, so that it cannot start", name);
    const std::string detail = Str(*feature, "detail");
    const std::string here = detail.substr(0, detail.find(" at "));  // "Python 3.11.2"
    // "python3.11" and "Python 3.11."; "nodejs20.x" and "Node.js v20."
    const std::string wanted =
        python ? fmt::format("Python {}.", runtime.substr(6))
               : fmt::format("Node.js v{}.", runtime.substr(6, runtime.size() - 8));
    return here.empty() || here.starts_with(wanted) ? "" : "; runs on the host's " + here;
  }
  return "";
}

Result<> Run(const Args& args, Shell& shell) {
  GODWIT_TRY(json::object settings, Settings(args));
  GODWIT_TRY(const auto variables, Variables(args));
  GODWIT_TRY(const std::string name, NameOf(args));
  const bool is_image = args.Has("--image");
  std::string zip, image;
  if (is_image) {
    GODWIT_TRY(image, ImageOf(args, shell));
  } else {
    GODWIT_TRY(zip, ReadCode(args.Get("DIR")));
    shell.out.Progress(fmt::format("{}: sending {} of code", name, HumanBytes(zip.size())));
  }
  const auto there = shell.node.Get(FunctionPath(name) + "/configuration");
  if (!there && there.error().code() != Code::kNotFound) return std::unexpected(there.error());
  if (const auto* function = there ? there->if_object() : nullptr; function != nullptr)
    GODWIT_TRY(CheckEngine(args, name, *function));
  Merge(variables, there ? there->if_object() : nullptr, settings);
  const auto done = there      ? Update(shell.node, name,
                                   is_image ? json::object{{"ImageUri", image}}
                                                 : json::object{{"ZipFile", ToBase64(zip)}},
                                        settings)
                    : is_image ? CreateFromImage(args, shell.node, name, image, std::move(settings))
                               : Create(args, shell.node, name, zip, std::move(settings));
  if (!done) return std::unexpected(InPlainWords(done.error()));
  const auto* function = done->configuration.if_object();
  if (shell.out.json() || function == nullptr) {
    shell.out.Show(done->configuration);
    return {};
  }
  if (is_image) {
    const std::string_view engine = Str(*function, "Engine").empty() ? "" : " at the Docker Engine";
    shell.out.Line(fmt::format("{} {}: image {}{}, {}", name, done->created ? "created" : "updated",
                               image.substr(0, 19), engine,
                               HumanBytes(Num(*function, "CodeSize"))));
    return {};
  }
  const std::string runtime = Str(*function, "Runtime");
  shell.out.Line(fmt::format("{} {}: {}, {}{}, {} of code{}", name,
                             done->created ? "created" : "updated", runtime,
                             Str(*function, "Handler"), done->why,
                             HumanBytes(Num(*function, "CodeSize")), OnWhat(runtime, shell.node)));
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
          "other settings stay as they are. --env sets single variables, --unset-env takes one "
          "out, and the others stay. .git, .hg, .svn, __pycache__, .aws-sam and .DS_Store are left "
          "out of the zip. What is not said is guessed from the files: bootstrap "
          "is "
          "provided; index.js, index.mjs or index.cjs is nodejs index.handler; lambda_function.py "
          "is "
          "python3 lambda_function.lambda_handler; handler.py, main.py, app.py or the only .py "
          "file "
          "is python3 with its `handler`.\n\nWith --image, DIR is the name of the function, and "
          "its "
          "code is a container image: a tar as `docker save` or skopeo make it, which becomes the "
          "root of its sandbox, or, with --engine docker, an image that the Docker Engine has. Its "
          "program must speak Lambda's Runtime API, as the images for AWS Lambda do.",
      .example =
          "godwit deploy examples/greeter\n"
          "godwit deploy build/fn --name native --runtime provided --timeout 60 --env LEVEL=debug\n"
          "godwit deploy resize --image resize.tar",
      .operands = {{"DIR", "the folder with the code, or a .zip file"}},
      .flags = {{"--name", "NAME", "of the function; else the folder's name"},
                {"--runtime", "RUNTIME", "python3, nodejs, provided, or a name as AWS has them",
                 false, "python3 nodejs provided"},
                {"--handler", "HANDLER", "FILE.FUNCTION, such as app.handler"},
                {"--image", "IMAGE",
                 "a container image: FILE.tar, or its name with --engine docker"},
                {"--engine", "ENGINE", "what runs it; else what the node's key `engine` says",
                 false, "native docker"},
                {"--timeout", "SECONDS",
                 "a call may run so long, time put away not counted; 1 to 900"},
                {"--memory", "MB", "an instance may use so much; 128 to 10240"},
                {"--network", "NETWORK",
                 "nat: through this machine to the world; none (the default)", false, "nat none"},
                {"--prebake", "on|off",
                 "on: make a template of it at once, and clone its instances; off: never; else as "
                 "the node has it",
                 false, "on off"},
                {"--warm-up", "JSON", "an event that the template runs once before it is kept"},
                {"--env", "NAME=VALUE", "set a variable of the function's environment", true},
                {"--unset-env", "NAME", "take a variable out of it", true}},
      .run = Run};
}

}  // namespace godwit::cli
