// Which frames a folder holds, and what their label maps are called.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

// name: its place in the folder, without the suffix.
struct Source {
  std::filesystem::path file;
  std::string name;
};

// PNG and JPEG by their names, sorted, also in folders below; hidden ones are left out, and the folders of runs, as
// task=predict does. icnet::Error where there is none.
std::vector<Source> find_sources(const std::filesystem::path& folder);
