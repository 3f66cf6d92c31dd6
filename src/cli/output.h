#pragma once

// Where a verb speaks: results on standard output, all else on standard error.
//
// A person at a terminal gets colour and progress; a pipe gets neither. With --json results are
// JSON and nothing else. Threads: one. Lifetime: the streams outlive it. Failure: Finish() says
// whether what was printed got through.
#include <boost/json/fwd.hpp>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace godwit::cli {

enum class Colour { kNone, kDim, kGreen, kYellow, kCyan, kRed };

struct Cell {
  std::string text;
  Colour colour = Colour::kNone;
  bool right = false;  // aligned to the right, as numbers are
};

struct Table {
  std::vector<std::string> header;  // empty: rows alone
  std::vector<std::vector<Cell>> rows;
};

class Output {
 public:
  struct Style {
    bool terminal = false;  // standard output is one
    bool progress = false;  // standard error is a terminal
    bool colour = false;
    size_t width = 0;  // columns of the terminal; 0: no limit
  };
  Output(std::ostream& out, std::ostream& err, Style style);

  bool json() const { return json_; }
  void set_json(bool json) { json_ = json; }
  bool terminal() const { return style_.terminal; }
  size_t width() const { return style_.width; }

  // To standard output, as it is.
  void Print(std::string_view text);
  void Line(std::string_view text);
  // Aligned columns; the last one is cut at the terminal's edge.
  void Show(const Table& table);
  // One line; an array of objects one line each.
  void Show(const boost::json::value& value);
  // "text" in colour, if this is a place for it.
  std::string Paint(Colour colour, std::string_view text) const;

  // To standard error, for a person who waits.
  void Progress(std::string_view text);
  // To standard error, whoever reads it.
  void Note(std::string_view text);
  void Report(const Error& error);

  // Call it last: kNoSpace if a line was lost (a full disk behind a redirection).
  Result<> Finish();

 private:
  std::ostream& out_;
  std::ostream& err_;
  Style style_;
  bool json_ = false;
};

}  // namespace godwit::cli
