#include "facts.hpp"

#include <charconv>

#include "json.hpp"

namespace icnet {

namespace {

using Values = std::map<std::string, std::string>;

const std::string& find(const Values& values, const std::string& place) {
  const auto value = values.find(place);
  if (value == values.end()) throw std::invalid_argument("no " + place);
  return value->second;
}

template <typename Number>
Number read_number(const Values& values, const std::string& place) {
  const std::string& text = find(values, place);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument(place + " is " + text);
  }
  return number;
}

std::vector<Class> read_classes(const Values& values) {
  std::vector<Class> classes;
  for (std::string i = "0"; values.count("classes.names." + i) > 0; i = std::to_string(classes.size())) {
    const auto channel = [&](const char* c) { return read_number<std::uint8_t>(values, "classes.colors." + i + c); };
    classes.push_back({find(values, "classes.names." + i), {channel(".0"), channel(".1"), channel(".2")}});
  }
  return classes;
}

std::optional<Size> read_size(const Values& values) {
  if (values.count("size") > 0) return std::nullopt;  // null
  return Size{read_number<std::size_t>(values, "size.0"), read_number<std::size_t>(values, "size.1")};
}

unsigned read_bit_depth(const Values& values) {
  const std::string place = "normalisation.bit_depth";
  return values.count(place) > 0 ? read_number<unsigned>(values, place) : 16;
}

}  // namespace

Facts read_facts(const std::string& text, const std::filesystem::path& file) {
  try {
    const Values values = read_json(text);
    if (find(values, "version") != "1") {
      throw Error(file.string() + " was exported by icnet " + find(values, "icnet") + " with facts of version " +
                  find(values, "version") + "; this program reads version 1: export the checkpoint again");
    }
    if (find(values, "output") != "labels") {
      throw Error(file.string() + " gives scores and no label maps: export it with task.output=labels");
    }
    return {read_classes(values), read_size(values), read_number<std::size_t>(values, "smallest"),
            read_bit_depth(values)};
  } catch (const std::invalid_argument& error) {
    throw Error(file.string() + " says too little of itself (" + error.what() + "): export the checkpoint again");
  }
}

}  // namespace icnet
