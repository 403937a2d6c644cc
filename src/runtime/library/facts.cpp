#include "facts.hpp"

#include <charconv>

#include "json.hpp"

namespace icnet {

namespace {

using Values = std::map<std::string, std::string>;

template <typename Number>
Number read_number(const Values& values, const std::string& place) {
  const std::string& text = values.at(place);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument(place + " is " + text);
  }
  return number;
}

std::vector<Class> read_classes(const Values& values) {
  std::vector<Class> classes;
  for (std::size_t i = 0; values.count("classes.names." + std::to_string(i)) > 0; ++i) {
    const std::string color = "classes.colors." + std::to_string(i);
    const auto channel = [&](const char* place) { return read_number<std::uint8_t>(values, color + place); };
    classes.push_back({values.at("classes.names." + std::to_string(i)), {channel(".0"), channel(".1"), channel(".2")}});
  }
  return classes;
}

std::optional<Size> read_size(const Values& values) {
  if (values.count("size") > 0) return std::nullopt;  // null
  return Size{read_number<std::size_t>(values, "size.0"), read_number<std::size_t>(values, "size.1")};
}

}  // namespace

Facts read_facts(const std::string& text, const std::filesystem::path& file) {
  try {
    const Values values = read_json(text);
    if (values.at("version") != "1") {
      throw Error(file.string() + " was exported by icnet " + values.at("icnet") + " with facts of version " +
                  values.at("version") + "; this program reads version 1: export the checkpoint again");
    }
    if (values.at("output") != "labels") {
      throw Error(file.string() + " gives scores and no label maps: export it with task.output=labels");
    }
    return {read_classes(values), read_size(values), read_number<std::size_t>(values, "smallest")};
  } catch (const std::logic_error& error) {
    throw Error(file.string() + " says too little of itself (" + error.what() + "): export the checkpoint again");
  }
}

}  // namespace icnet
