#include "cli/site_verb.h"

#include <boost/json.hpp>
#include <chrono>

#include "base/try.h"
#include "cli/client.h"
#include "cli/config.h"
#include "cli/human.h"
#include "cli/json_text.h"
#include "cli/output.h"
#include "cli/paths.h"

namespace godwit::cli {
namespace {

const Flag kData = {"--data", "DIR", "the node's store. Default: /var/lib/godwit."};
const Flag kName = {"--name", "NAME",
                    "what the node is called in its site: lower-case letters, digits and -"};
const Flag kAddress = {"--address", "HOST:PORT",
                       "the node's site port, as the other nodes reach it"};

Result<SiteWork::Newcomer> NewcomerIn(const Args& args) {
  SiteWork::Newcomer node{args.Get("--data"), args.Get("--name"), args.Get("--address")};
  if (node.data.empty()) node.data = NodeConfig().data;
  for (const auto& [flag, text] : {std::pair(&kName, &node.name), {&kAddress, &node.address}}) {
    if (text->empty()) {
      return Fail(Code::kInvalid, "{} is missing: {} (write {} {})", flag->name, flag->meaning,
                  flag->name, flag->value);
    }
  }
  return node;
}

Result<> ShowMembership(const boost::json::object& made, std::string_view did, Shell& shell) {
  if (shell.out.json()) {
    shell.out.Show(boost::json::value(made));
    return {};
  }
  shell.out.Line(fmt::format("{}  {} site {}  at {}", Str(made, "node"), did, Str(made, "site"),
                             Str(made, "address")));
  shell.out.Progress("start its node now (godwit node), or start it anew");
  return {};
}

Verb InitVerb(SiteWork work) {
  return {.name = "site init",
          .doing = "make a site",
          .brief = "Make a site, with the node of this store as its first",
          .details =
              "A site is one or more nodes that trust each other. It has an authority of its own, "
              "which signs the nodes' certificates. The node must not be running; from its next "
              "start on it serves the site at the port of --address.\n\n"
              "What the nodes agree on is kept in an etcd: --coordinator etcd://HOST:PORT. Without "
              "it the site is of this one node and nobody can join.",
          .example =
              "sudo godwit site init --name node-a --address 10.0.0.1:9443 --coordinator "
              "etcd://10.0.0.9:2379",
          .flags = {kName,
                    kAddress,
                    {"--coordinator", "URL",
                     "etcd://HOST:PORT[,HOST:PORT...], etcds:// for TLS, or sqlite. Default: "
                     "sqlite."},
                    kData},
          .calls_node = false,
          .run = [work = std::move(work)](const Args& args, Shell& shell) -> Result<> {
            GODWIT_TRY(const auto node, NewcomerIn(args));
            const auto url = args.Find("--coordinator").value_or("sqlite");
            GODWIT_TRY(const auto made, work.init(node, url));
            return ShowMembership(made, "has made", shell);
          }};
}

Verb JoinVerb(SiteWork work) {
  return {.name = "site join",
          .doing = "join the site at",
          .brief = "Let the node of this store join a site",
          .details =
              "TOKEN comes from `godwit site token` at a member, HOST:PORT is any member's site "
              "port. The token tells this node that it speaks with the right site, and the site "
              "that this node may come in; it serves once. The node must not be running.",
          .example =
              "sudo godwit site join \"$TOKEN\" 10.0.0.1:9443 --name node-b --address "
              "10.0.0.2:9443",
          .operands = {{"TOKEN", "what `godwit site token` has printed", false, false, true},
                       {"HOST:PORT", "the site port of a member"}},
          .flags = {kName, kAddress, kData},
          .calls_node = false,
          .run = [work = std::move(work)](const Args& args, Shell& shell) -> Result<> {
            GODWIT_TRY(const auto node, NewcomerIn(args));
            GODWIT_TRY(const auto made, work.join(node, args.Get("TOKEN"), args.Get("HOST:PORT")));
            return ShowMembership(made, "has joined", shell);
          }};
}

Result<> MakeToken(const Args& args, Shell& shell) {
  Nanos ttl = std::chrono::hours(1);
  if (const auto text = args.Find("--ttl")) {
    GODWIT_TRY(ttl, ParseSpan(*text));
  }
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(ttl).count();
  GODWIT_TRY(const auto value,
             shell.node.Post(fmt::format("/godwit/v1/site/tokens?ttl_ms={}", ms), {}));
  if (shell.out.json()) {
    shell.out.Show(value);
    return {};
  }
  const auto* token = value.if_object();
  if (token == nullptr) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  shell.out.Line(Str(*token, "token"));
  shell.out.Progress(
      fmt::format("for one node, until {}: godwit site join TOKEN {} --name NAME "
                  "--address HOST:PORT",
                  Str(*token, "ends_at"), Str(*token, "address")));
  return {};
}

Verb TokenVerb() {
  return {.name = "site token",
          .doing = "make a token",
          .brief = "Make a token that lets one node join this node's site",
          .details =
              "Whoever has it can join once, until it ends: hand it over as you would a password. "
              "It is printed once; the site keeps a hash of it.",
          .example = "godwit site token --ttl 10m",
          .flags = {{"--ttl", "DURATION", "how long it is good, 1s to 30d. Default: 1h."}},
          .run = MakeToken};
}

Result<> ListNodes(const Args&, Shell& shell) {
  GODWIT_TRY(const auto value, shell.node.Get("/godwit/v1/site"));
  if (shell.out.json()) {
    shell.out.Show(value);
    return {};
  }
  const auto* site = value.if_object();
  const auto* nodes = site == nullptr ? nullptr : site->if_contains("nodes");
  if (nodes == nullptr || !nodes->is_array()) {
    return Fail(Code::kUnavailable, "'{}' does not answer as a Godwit node does",
                shell.node.endpoint());
  }
  Table table{{"NODE", "ADDRESS", "ALIVE", "GODWIT", "JOINED", "CERTIFICATE"}, {}};
  for (const auto& each : nodes->get_array()) {
    const auto* node = each.if_object();
    if (node == nullptr) continue;
    const bool alive = Flagged(*node, "alive");
    const auto joined = ParseIso(Str(*node, "joined_at"));
    table.rows.push_back({{Str(*node, "name") + (Flagged(*node, "self") ? " *" : "")},
                          {Str(*node, "address")},
                          {alive ? "yes" : "no", alive ? Colour::kGreen : Colour::kYellow},
                          {Str(*node, "godwit")},
                          {joined ? HumanMoment(*joined, shell.clock.Wall()) : "-"},
                          {Str(*node, "fingerprint").substr(0, 16)}});
  }
  shell.out.Show(table);
  return {};
}

Verb ListVerbOfSite() {
  return {.name = "site list",
          .doing = "list the nodes of the site",
          .brief = "List the nodes of this node's site: address, whether it lives, certificate",
          .details = "The one that is asked has a * behind its name.",
          .example = "godwit site list",
          .run = ListNodes};
}

Verb LeaveVerb() {
  return {.name = "site leave",
          .doing = "leave the site",
          .brief = "Take this node out of its site",
          .details =
              "The others do not speak with it any more, and its certificate and keys are removed. "
              "Its functions and what it has put away stay with it. It may join again with a new "
              "token.",
          .example = "godwit site leave",
          .run = [](const Args&, Shell& shell) -> Result<> {
            GODWIT_TRY(const auto value, shell.node.Post("/godwit/v1/site/leave", {}));
            if (shell.out.json()) {
              shell.out.Show(value);
            } else if (const auto* left = value.if_object()) {
              shell.out.Line(
                  fmt::format("{} has left site {}", Str(*left, "node"), Str(*left, "left")));
            }
            return {};
          }};
}

Verb EvictVerb() {
  return {.name = "site evict",
          .doing = "evict",
          .brief = "Take another node out of this node's site, whether or not it answers",
          .details =
              "No member speaks with it from then on. Use it for a node that is lost, or not to be "
              "trusted any more; then also change what it knew of the coordinator.",
          .example = "godwit site evict node-c",
          .operands = {{"NODE", "its name, as `godwit site list` shows it"}},
          .run = [](const Args& args, Shell& shell) -> Result<> {
            GODWIT_TRY(const auto response,
                       shell.node.Send(Ask("DELETE", "/godwit/v1/site/members/" +
                                                         PercentEncode(args.Get("NODE")))));
            if (shell.out.json()) {
              shell.out.Print(response.body + "\n");
            } else {
              shell.out.Line(args.Get("NODE") + " evicted");
            }
            return {};
          }};
}

}  // namespace

std::vector<Verb> SiteVerbs(SiteWork work) {
  return {InitVerb(work), TokenVerb(), JoinVerb(work), ListVerbOfSite(), LeaveVerb(), EvictVerb()};
}

}  // namespace godwit::cli
