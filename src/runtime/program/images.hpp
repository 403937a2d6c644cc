// PNG and JPEG files to frames, with the pixels that OpenCV gives; label maps to PNG files.
#pragma once

#include <filesystem>

#include "icnet.hpp"

// Turned as its Exif data say. icnet::Error, which does not name the file, where it is broken or neither PNG nor JPEG.
// bit_depth: how many bits of a 16-bit value are used.
icnet::Frame read_frame(const std::filesystem::path& file, unsigned bit_depth);

// 8 bits of grey, written whole or not at all. icnet::Error, which names the file, where it cannot be.
void write_label_map(const std::filesystem::path& file, const icnet::LabelMap& label_map);
