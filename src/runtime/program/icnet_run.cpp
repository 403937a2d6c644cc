// icnet_run: the label maps of a folder of images.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <future>
#include <optional>
#include <string_view>
#include <thread>

#include "icnet.hpp"
#include "images.hpp"
#include "sources.hpp"

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: icnet_run MODEL.xml|MODEL.onnx SOURCE OUT [--threads N]\n"
    "Writes OUT/NAME_labels.png for each PNG and JPEG in the folder SOURCE.\n";

struct Arguments {
  std::vector<std::string_view> paths;
  int threads = 0;
};

// Nothing where they do not fit the usage.
std::optional<Arguments> read_arguments(const std::vector<std::string_view>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].substr(0, 1) != "-") {
      arguments.paths.push_back(words[i]);
    } else if (words[i] == "--threads" && i + 1 < words.size()) {
      const std::string_view value = words[++i];
      const char* end = value.data() + value.size();
      const auto [read, error] = std::from_chars(value.data(), end, arguments.threads);
      if (error != std::errc() || read != end || arguments.threads < 1) {
        throw icnet::Error("--threads is " + std::string(value) + ": give a whole number of at least 1");
      }
    } else {
      return std::nullopt;
    }
  }
  return arguments.paths.size() == 3 ? std::optional(arguments) : std::nullopt;
}

// Steps that threads of their own take, at most `limit` at once; their results come in the order of their beginnings.
template <typename Result>
class Steps {
 public:
  explicit Steps(std::size_t limit) : limit_(limit) {}

  bool is_empty() const { return pending_.empty(); }
  bool is_full() const { return pending_.size() >= limit_; }

  template <typename Step>
  void begin(Step step) {
    pending_.push_back(std::async(std::launch::async, std::move(step)));
  }

  // Waits for the oldest; throws what it threw.
  Result take() {
    std::future<Result> oldest = std::move(pending_.front());
    pending_.pop_front();
    return oldest.get();
  }

 private:
  std::size_t limit_;
  std::deque<std::future<Result>> pending_;
};

// What became of a folder. network_ms: of each frame, from its pixels to its label map.
struct Outcome {
  std::size_t failed = 0;
  std::vector<double> network_ms;
  double seconds = 0;
};

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// While the network reads one frame, the next are decoded and earlier label maps are written.
Outcome label_folder(icnet::Network& network, const std::vector<Source>& sources, const fs::path& out) {
  const std::size_t workers = std::clamp(std::thread::hardware_concurrency() / 2, 1u, 8u) + 1;
  Steps<icnet::Frame> decoding(workers);
  Steps<void> writing(workers);
  Outcome outcome;
  const auto begin = Clock::now();
  auto next = sources.begin();
  for (const Source& source : sources) {
    for (; next != sources.end() && !decoding.is_full(); ++next) {
      decoding.begin([file = next->file, depth = network.bit_depth()] { return read_frame(file, depth); });
    }
    icnet::LabelMap label_map;
    try {
      const icnet::Frame frame = decoding.take();
      const auto start = Clock::now();
      label_map = network(frame);
      outcome.network_ms.push_back(milliseconds_since(start));
    } catch (const icnet::Error& error) {
      std::fprintf(stderr, "icnet_run: failed: %s: %s\n", source.file.c_str(), error.what());
      ++outcome.failed;
      continue;
    }
    if (writing.is_full()) writing.take();
    writing.begin(
        [file = out / (source.name + "_labels.png"), made = std::move(label_map)] { write_label_map(file, made); });
  }
  while (!writing.is_empty()) writing.take();
  outcome.seconds = milliseconds_since(begin) / 1e3;
  return outcome;
}

// As numpy.percentile: between the two values beside it.
double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

void print_outcome(Outcome outcome) {
  auto& times = outcome.network_ms;
  std::sort(times.begin(), times.end());
  const double fps = static_cast<double>(times.size()) / outcome.seconds;
  std::printf("{\"frames\": %zu, \"failed\": %zu, ", times.size(), outcome.failed);
  if (times.empty()) {
    std::puts("\"fps\": null, \"median_ms\": null, \"p95_ms\": null}");
  } else {
    std::printf("\"fps\": %.3f, \"median_ms\": %.3f, \"p95_ms\": %.3f}\n", fps, percentile(times, 0.5),
                percentile(times, 0.95));
  }
}

void make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    throw icnet::Error(folder.string() + " cannot be written (" + failed.message() + "): give another OUT");
  }
}

int run(const Arguments& arguments) {
  const fs::path model = arguments.paths[0], source = arguments.paths[1], out = arguments.paths[2];
  icnet::Network network(model, arguments.threads);
  const std::vector<Source> sources = find_sources(source);
  make_folder(out);
  const Outcome outcome = label_folder(network, sources, out);
  print_outcome(outcome);
  return outcome.failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  try {
    const auto arguments = read_arguments({words + 1, words + count});
    if (arguments) return run(*arguments);
    std::fputs(kUsage, stderr);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "icnet_run: %s\n", error.what());
    return 1;
  }
}
