// ICNet from a file that task=export wrote: frames in, label maps out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace icnet {

// What a user can mend: one line that says what is wrong with which value, and what to do.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// height x width pixels of 3 bytes, red first, row by row without gaps.
struct Frame {
  std::size_t height = 0;
  std::size_t width = 0;
  std::vector<std::uint8_t> pixels;
};

// height x width numbers of classes, row by row without gaps.
struct LabelMap {
  std::size_t height = 0;
  std::size_t width = 0;
  std::vector<std::uint8_t> pixels;
};

// A class and the colour that it is drawn in: red, green, blue.
struct Class {
  std::string name;
  std::array<std::uint8_t, 3> color;
};

// An exported network on the CPU, in the precision of its file: the label maps of task=predict
// trainer.precision=32-true.
class Network {
 public:
  // Reads model.xml, with model.bin beside it, or model.onnx. Error where it is missing, torn or from elsewhere.
  // threads: that compute; 0: as many as there are cores.
  explicit Network(const std::filesystem::path& model, int threads = 0);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  // The label map of a frame of any size, as large as the frame: a file of fixed size resizes both. One call at a time.
  // Error where the frame is smaller than the file can read.
  LabelMap operator()(const Frame& frame);

  // By the numbers in label maps.
  const std::vector<Class>& classes() const;

  // How many bits the 16-bit images used that it learnt from: a frame has the highest 8 of these. 16: all of them.
  unsigned bit_depth() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace icnet
