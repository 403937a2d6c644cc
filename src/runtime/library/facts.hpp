// What an exported file says of itself: a JSON text in its metadata.
#pragma once

#include <optional>
#include <string>

#include "icnet.hpp"

namespace icnet {

struct Size {
  std::size_t height;
  std::size_t width;
};

// The part that running the file needs. size: of the only frames that it takes; without: any of at least `smallest`.
// bit_depth: how many bits of 16-bit images it takes for used.
struct Facts {
  std::vector<Class> classes;
  std::optional<Size> size;
  std::size_t smallest;
  unsigned bit_depth;
};

// Error where the text is none of icnet's, of another version, or of a file that gives no label maps. file: it stood
// in.
Facts read_facts(const std::string& text, const std::filesystem::path& file);

}  // namespace icnet
