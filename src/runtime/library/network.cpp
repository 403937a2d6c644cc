#include <openvino/frontend/manager.hpp>
#include <openvino/openvino.hpp>

#include "facts.hpp"
#include "icnet.hpp"
#include "resize.hpp"

namespace icnet {

namespace {

std::string show(Size size) { return std::to_string(size.height) + "x" + std::to_string(size.width); }

std::shared_ptr<ov::Model> read_model(ov::Core& core, const std::filesystem::path& file) {
  const bool is_onnx = file.extension() == ".onnx";
  if (!is_onnx && file.extension() != ".xml") {
    throw Error(file.string() + " is no exported file by its name: give model.xml or model.onnx of task=export");
  }
  if (!std::filesystem::is_regular_file(file)) throw Error("there is no file " + file.string() + ": check the path");
  try {
    // Asked first, for read_model would try all formats that it knows, some of which print lines of their own
    const auto format = ov::frontend::FrontEndManager().load_by_framework(is_onnx ? "onnx" : "ir");
    if (format->supported(file.string())) return core.read_model(file.string());
  } catch (const ov::Exception&) {  // told below
  }
  throw Error(file.string() + " (or its .bin) is cut off or not of OpenVINO or ONNX: export it again");
}

// OpenVINO keeps what an ONNX file says of itself under "framework".
std::string read_text(const ov::Model& model, const std::filesystem::path& file) {
  for (const std::vector<std::string>& place : {std::vector<std::string>{"icnet"}, {"framework", "icnet"}}) {
    if (model.has_rt_info(place)) return model.get_rt_info<ov::Any>(place).as<std::string>();
  }
  throw Error(file.string() + " was not exported by icnet, which would say what it reads: use task=export");
}

}  // namespace

struct Network::Parts {
  std::filesystem::path file;
  Facts facts;
  ov::InferRequest request;

  LabelMap run(const Frame& frame) try {
    request.set_input_tensor(ov::Tensor(ov::element::u8, {1, frame.height, frame.width, 3}, frame.pixels.data()));
    request.infer();
    const ov::Tensor output = request.get_output_tensor();
    const ov::Shape shape = output.get_shape();
    const std::uint8_t* labels = output.data<const std::uint8_t>();
    return {shape.at(1), shape.at(2), {labels, labels + output.get_size()}};
  } catch (const ov::Exception&) {
    throw Error("OpenVINO cannot run " + file.string() + " on it: is the memory large enough?");
  }
};

Network::Network(const std::filesystem::path& model, int threads) {
  ov::Core core;
  const auto read = read_model(core, model);
  Facts facts = read_facts(read_text(*read, model), model);
  const auto exact = ov::hint::inference_precision(ov::element::f32);
  const auto one_by_one = ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY);
  try {
    auto compiled = core.compile_model(read, "CPU", exact, one_by_one, ov::inference_num_threads(threads));
    parts_ = std::make_unique<Parts>(Parts{model, std::move(facts), compiled.create_infer_request()});
  } catch (const ov::Exception&) {
    throw Error(model.string() + " cannot be run by this OpenVINO: install the version that it was exported with");
  }
}

Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const std::vector<Class>& Network::classes() const { return parts_->facts.classes; }

unsigned Network::bit_depth() const { return parts_->facts.bit_depth; }

LabelMap Network::operator()(const Frame& frame) {
  if (frame.pixels.size() != frame.height * frame.width * 3) {
    throw std::invalid_argument("a frame has 3 bytes for each of its pixels");
  }
  const Size given{frame.height, frame.width};
  const Size size = parts_->facts.size.value_or(given);
  const std::size_t smallest = parts_->facts.smallest;
  if (std::min(size.height, size.width) < smallest || frame.pixels.empty()) {
    throw Error("it is " + show(given) + ", and " + parts_->file.string() + " reads at least " +
                std::to_string(smallest) + " rows and columns");
  }
  if (size.height == given.height && size.width == given.width) return parts_->run(frame);
  return resize_label_map(parts_->run(resize_frame(frame, size)), given);
}

}  // namespace icnet
