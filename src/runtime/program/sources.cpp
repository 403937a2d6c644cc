#include "sources.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include "icnet.hpp"

namespace fs = std::filesystem;

namespace {

bool is_hidden(const fs::path& path) { return path.filename().string().front() == '.'; }

bool is_image(const fs::path& path) {
  std::string suffix = path.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](unsigned char c) { return std::tolower(c); });
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg";
}

std::vector<fs::path> find_images(const fs::path& folder) {
  std::vector<fs::path> found;
  auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink);
  for (; entry != fs::end(entry); ++entry) {
    const fs::path& path = entry->path();
    if (entry->is_directory() && (is_hidden(path) || fs::is_directory(path / ".hydra"))) {
      entry.disable_recursion_pending();
    } else if (!entry->is_directory() && !is_hidden(path) && is_image(path)) {
      found.push_back(path);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Files that differ in their suffix alone keep it in their names: their results would overwrite one another.
void tell_apart(std::vector<Source>& sources, const fs::path& folder) {
  std::map<std::string, std::size_t> count;
  for (const Source& source : sources) ++count[source.name];
  for (Source& source : sources) {
    if (count[source.name] > 1) source.name = source.file.lexically_relative(folder).string();
  }
}

}  // namespace

std::vector<Source> find_sources(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw icnet::Error("there is no folder " + folder.string() + ": check the path");
  std::vector<Source> sources;
  for (const fs::path& file : find_images(folder)) {
    sources.push_back({file, file.lexically_relative(folder).replace_extension().string()});
  }
  if (sources.empty()) throw icnet::Error(folder.string() + " holds no PNG and no JPEG: give a folder of images");
  tell_apart(sources, folder);
  return sources;
}
