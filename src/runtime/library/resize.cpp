#include "resize.hpp"

#include <algorithm>

namespace icnet {

namespace {

// Where a place lies between two of another length: its value is (first * (whole - share) + second * share) / whole.
struct Mixture {
  std::size_t first, second;
  std::uint64_t share;
};

// The centre of place i lies at ((2 i + 1) before - after) / (2 after) of the places before; whole is 2 after.
std::vector<Mixture> mix(std::size_t before, std::size_t after) {
  std::vector<Mixture> places(after);
  for (std::size_t i = 0; i < after; ++i) {
    const std::size_t ahead = (2 * i + 1) * before;
    const std::size_t centre = ahead > after ? ahead - after : 0;
    const std::size_t first = centre / (2 * after);
    places[i] = {first, std::min(first + 1, before - 1), centre % (2 * after)};
  }
  return places;
}

}  // namespace

Frame resize_frame(const Frame& frame, Size size) {
  const auto rows = mix(frame.height, size.height), columns = mix(frame.width, size.width);
  const std::uint64_t tall = 2 * size.height, wide = 2 * size.width;
  Frame made{size.height, size.width, {}};
  made.pixels.reserve(size.height * size.width * 3);
  std::vector<std::uint64_t> row(frame.width * 3);
  for (const Mixture& y : rows) {
    const std::uint8_t* upper = &frame.pixels[y.first * row.size()];
    const std::uint8_t* lower = &frame.pixels[y.second * row.size()];
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = upper[i] * (tall - y.share) + lower[i] * y.share;
    for (const Mixture& x : columns) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::uint64_t left = row[3 * x.first + channel], right = row[3 * x.second + channel];
        const std::uint64_t sum = left * (wide - x.share) + right * x.share;
        made.pixels.push_back(static_cast<std::uint8_t>((sum + tall * wide / 2) / (tall * wide)));
      }
    }
  }
  return made;
}

LabelMap resize_label_map(const LabelMap& label_map, Size size) {
  LabelMap made{size.height, size.width, {}};
  made.pixels.reserve(size.height * size.width);
  for (std::size_t y = 0; y < size.height; ++y) {
    const std::uint8_t* row = &label_map.pixels[(2 * y + 1) * label_map.height / (2 * size.height) * label_map.width];
    for (std::size_t x = 0; x < size.width; ++x) {
      made.pixels.push_back(row[(2 * x + 1) * label_map.width / (2 * size.width)]);
    }
  }
  return made;
}

}  // namespace icnet
