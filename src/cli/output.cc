#include "cli/output.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

namespace godwit::cli {
namespace {

std::string_view CodeOf(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kDim:
      return "\x1b[2m";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kCyan:
      return "\x1b[36m";
    case Colour::kRed:
      return "\x1b[31m";
  }
  return "";
}

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

// Columns on the screen: one a code point.
size_t WidthOf(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return !Continues(c); }));
}

std::string Cut(std::string_view text, size_t width) {
  if (WidthOf(text) <= width) return std::string(text);
  size_t bytes = 0;
  for (size_t columns = 0; bytes < text.size(); ++bytes) {
    if (!Continues(text[bytes]) && ++columns >= std::max<size_t>(width, 1)) break;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

}  // namespace

Output::Output(std::ostream& out, std::ostream& err, Style style)
    : out_(out), err_(err), style_(style) {}

void Output::Print(std::string_view text) { out_ << text; }

void Output::Line(std::string_view text) { out_ << text << '\n'; }

void Output::Show(const Table& table) {
  constexpr std::string_view kGap = "  ";
  std::vector<size_t> widths;
  const auto measure = [&](size_t column, std::string_view text) {
    if (widths.size() <= column) widths.resize(column + 1);
    widths[column] = std::max(widths[column], WidthOf(text));
  };
  for (size_t i = 0; i < table.header.size(); ++i) measure(i, table.header[i]);
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) measure(i, row[i].text);
  }
  const auto print = [&](const std::vector<Cell>& row) {
    std::string line;
    size_t used = 0;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      std::string text = row[i].text;
      if (last && style_.width > used + 8) text = Cut(text, style_.width - used);
      const std::string padding(widths[i] - std::min(widths[i], WidthOf(text)), ' ');
      if (row[i].right) line += padding;
      line += Paint(row[i].colour, text);
      if (last) break;
      if (!row[i].right) line += padding;
      line += kGap;
      used += widths[i] + kGap.size();
    }
    Line(line);
  };
  if (!table.header.empty()) {
    std::vector<Cell> header;
    for (size_t i = 0; i < table.header.size(); ++i) {
      const bool right = !table.rows.empty() && i < table.rows[0].size() && table.rows[0][i].right;
      header.push_back({table.header[i], Colour::kDim, right});
    }
    print(header);
  }
  for (const auto& row : table.rows) print(row);
}

void Output::Show(const boost::json::value& value) {
  const auto* array = value.if_array();
  const bool table = array && !array->empty() && array->front().is_object();
  if (!table) return Line(boost::json::serialize(value));
  std::string_view before = "[";
  for (const auto& element : *array) {
    out_ << before << boost::json::serialize(element);
    before = ",\n ";
  }
  out_ << "]\n";
}

std::string Output::Paint(Colour colour, std::string_view text) const {
  if (!style_.colour || colour == Colour::kNone) return std::string(text);
  return std::string(CodeOf(colour)) + std::string(text) + "\x1b[0m";
}

void Output::Progress(std::string_view text) {
  if (style_.progress && !json_) err_ << text << '\n' << std::flush;
}

void Output::Note(std::string_view text) { err_ << text << '\n' << std::flush; }

void Output::Report(const Error& error) {
  std::string line = error.ToString();
  // One error, one line, whatever a peer has put into it.
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  out_ << std::flush;
  err_ << "godwit: " << line << '\n' << std::flush;
}

Result<> Output::Finish() {
  out_ << std::flush;
  if (!out_) return Fail(Code::kNoSpace, "cannot write to standard output (is its disk full?)");
  return {};
}

}  // namespace godwit::cli
