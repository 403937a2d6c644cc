#include "images.hpp"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include <jpeglib.h>  // needs cstdio before it
#include <png.h>

namespace {

using icnet::Error;
using icnet::Frame;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMostPixels = std::size_t{1} << 30;  // OpenCV's bound, too
constexpr std::uint8_t kExif[] = {'E', 'x', 'i', 'f', 0, 0};

Error broken() { return Error("no readable PNG or JPEG (broken, cut off or in CMYK): copy or download it again"); }

// Where libpng and libjpeg go on after an error. `run` calls work; false where an error ended it. Whatever has a
// destructor lives outside of work, for an error jumps over destructors.
struct Rescue {
  std::jmp_buf place;

  template <typename Work>
  bool run(Work work) {
    if (setjmp(place) != 0) return false;
    work();
    return true;
  }
};

void allocate(Frame& frame, std::size_t height, std::size_t width, std::vector<std::uint8_t*>& rows) {
  if (height * width > kMostPixels) throw Error("it has more than 2^30 pixels: give a smaller one");
  frame = {height, width, Bytes(height * width * 3)};
  rows.resize(height);
  for (std::size_t y = 0; y < height; ++y) rows[y] = &frame.pixels[y * width * 3];
}

// Exif data begin with a header of TIFF, which leads to a list of tags. Every read is checked: files can say anything.
class Exif {
 public:
  Exif(const std::uint8_t* data, std::size_t size)
      : data_(data), size_(size), little_endian_(size > 0 && *data == 'I') {}

  // 1 to 8; 1 (upright) where nothing is said.
  unsigned orientation() const {
    const std::size_t list = number(4, 4), tags = number(list, 2);
    for (std::size_t tag = 0; tag < tags; ++tag) {
      const std::size_t entry = list + 2 + 12 * tag;
      if (number(entry, 2) == 0x0112) return static_cast<unsigned>(number(entry + 8, 2));
    }
    return 1;
  }

 private:
  std::size_t number(std::size_t place, std::size_t length) const {
    std::size_t value = 0;
    if (place + length > size_) return value;
    for (std::size_t i = 0; i < length; ++i) value = value << 8 | data_[place + (little_endian_ ? length - 1 - i : i)];
    return value;
  }

  const std::uint8_t* data_;
  std::size_t size_;
  bool little_endian_;
};

// Upright: from 5 on rows are columns; some are mirrored, too.
Frame turn(Frame frame, unsigned orientation) {
  if (orientation < 2 || orientation > 8) return frame;
  const bool swapped = orientation >= 5;
  const bool right_to_left = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool bottom_up = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Frame made{swapped ? frame.width : frame.height, swapped ? frame.height : frame.width, {}};
  made.pixels.reserve(frame.pixels.size());
  for (std::size_t row = 0; row < made.height; ++row) {
    for (std::size_t column = 0; column < made.width; ++column) {
      const std::size_t y = bottom_up ? made.height - 1 - row : row;
      const std::size_t x = right_to_left ? made.width - 1 - column : column;
      const std::uint8_t* pixel = &frame.pixels[3 * (swapped ? x * frame.width + y : y * frame.width + x)];
      made.pixels.insert(made.pixels.end(), pixel, pixel + 3);
    }
  }
  return made;
}

// Values of 16 bits, the higher byte first, to the highest 8 of the bits that are used. They stand as a frame of
// twice the width.
void narrow(Frame& frame, unsigned bit_depth) {
  frame.width /= 2;
  for (std::size_t i = 0; i < frame.pixels.size() / 2; ++i) {
    const unsigned value = frame.pixels[2 * i] << 8 | frame.pixels[2 * i + 1];
    frame.pixels[i] = static_cast<std::uint8_t>(std::min(value >> (bit_depth - 8), 255u));
  }
  frame.pixels.resize(frame.pixels.size() / 2);
}

class PngReader {
 public:
  explicit PngReader(const Bytes& data) : next_(data.data()), end_(next_ + data.size()) {
    png_set_read_fn(png_, this, [](png_structp png, png_bytep target, std::size_t size) {
      auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
      if (size > static_cast<std::size_t>(self.end_ - self.next_)) png_error(png, "cut off");
      std::memcpy(target, self.next_, size);
      self.next_ += size;
    });
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Frame read(unsigned bit_depth) {
    Frame frame;
    std::vector<std::uint8_t*> rows;
    bool wide = false;  // a pixel is 6 bytes until it is narrowed
    const bool whole = rescue_.run([&] {
      png_read_info(png_, info_);
      wide = bit_depth < 16 && png_get_bit_depth(png_, info_) == 16;
      png_set_expand(png_);
      if (!wide) png_set_strip_16(png_);
      png_set_strip_alpha(png_);
      png_set_gray_to_rgb(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      allocate(frame, png_get_image_height(png_, info_), png_get_image_width(png_, info_) * (wide ? 2 : 1), rows);
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
    if (!whole) throw broken();
    if (wide) narrow(frame, bit_depth);
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    png_get_eXIf_1(png_, info_, &size, &exif);
    return turn(std::move(frame), Exif(exif, size).orientation());
  }

 private:
  static void fail(png_structp png, png_const_charp) {
    std::longjmp(static_cast<Rescue*>(png_get_error_ptr(png))->place, 1);
  }

  Rescue rescue_{};
  png_structp png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &rescue_, fail, [](png_structp, png_const_charp) {});
  png_infop info_ = png_create_info_struct(png_);
  const std::uint8_t* next_;
  const std::uint8_t* end_;
};

class JpegReader {
 public:
  explicit JpegReader(const Bytes& data) : data_(data) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = &rescue_;
    errors_.error_exit = [](j_common_ptr jpeg) { std::longjmp(static_cast<Rescue*>(jpeg->client_data)->place, 1); };
    errors_.output_message = [](j_common_ptr) {};
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Frame read() {
    Frame frame;
    std::vector<std::uint8_t*> rows;
    unsigned turned = 1;
    bool whole = false;
    rescue_.run([&] {
      jpeg_create_decompress(&jpeg_);
      jpeg_mem_src(&jpeg_, data_.data(), data_.size());
      jpeg_.src->fill_input_buffer = give_nothing;
      jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, 0xFFFF);
      if (jpeg_read_header(&jpeg_, TRUE) != JPEG_HEADER_OK) return;
      jpeg_.out_color_space = JCS_RGB;
      if (jpeg_start_decompress(&jpeg_) == FALSE) return;
      allocate(frame, jpeg_.output_height, jpeg_.output_width, rows);
      for (std::uint8_t* row : rows) {
        if (jpeg_read_scanlines(&jpeg_, &row, 1) != 1) return;
      }
      turned = orientation();  // which finishing forgets
      whole = jpeg_finish_decompress(&jpeg_) == TRUE;
    });
    if (!whole) throw broken();
    return turn(std::move(frame), turned);
  }

 private:
  // Where data end too early: libjpeg would go on in grey.
  static boolean give_nothing(j_decompress_ptr) { return FALSE; }

  unsigned orientation() const {
    for (const jpeg_marker_struct* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::size_t size = marker->data_length;
      if (size > sizeof kExif && std::memcmp(marker->data, kExif, sizeof kExif) == 0) {
        return Exif(marker->data + sizeof kExif, size - sizeof kExif).orientation();
      }
    }
    return 1;
  }

  const Bytes& data_;
  Rescue rescue_{};
  jpeg_error_mgr errors_{};
  jpeg_decompress_struct jpeg_{};
};

bool begins(const Bytes& data, std::initializer_list<std::uint8_t> mark) {
  return data.size() >= mark.size() && std::equal(mark.begin(), mark.end(), data.begin());
}

}  // namespace

icnet::Frame read_frame(const std::filesystem::path& file, unsigned bit_depth) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error("it cannot be read: check its permissions");
  const Bytes data{std::istreambuf_iterator<char>(stream), {}};
  if (begins(data, {0x89, 'P', 'N', 'G'})) return PngReader(data).read(bit_depth);
  if (begins(data, {0xFF, 0xD8})) return JpegReader(data).read();
  throw broken();
}

void write_label_map(const std::filesystem::path& file, const icnet::LabelMap& label_map) {
  const std::filesystem::path draft = file.string() + ".part";
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(label_map.height);
  image.width = static_cast<png_uint_32>(label_map.width);
  image.format = PNG_FORMAT_GRAY;
  image.flags = PNG_IMAGE_FLAG_FAST;
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  const int done = png_image_write_to_file(&image, draft.c_str(), 0, label_map.pixels.data(), 0, nullptr);
  if (done != 0) std::filesystem::rename(draft, file, failed);
  if (done == 0 || failed) throw Error(file.string() + " cannot be written: free the disk or check permissions");
}
