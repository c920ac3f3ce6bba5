// optim_fuzz SUBJECT [--seconds S] [--seed N] [--cases C] [--threads T]: random cases, each from a seed of its own that
// counts up from N, until the time is over or one fails.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

#include "fuzz.h"

namespace optim_fuzz {
namespace {

constexpr Subject kSubjects[] = {{"lists", lists}, {"plans", plans}, {"scaler", scaler}, {"schedules", schedules}};

struct Options {
  const Subject* subject = nullptr;
  double seconds = 5;
  uint64_t seed = 1;
  uint64_t cases = UINT64_MAX;
  Settings settings;
};

Options parse(int argc, char** argv) {
  Options options;
  for (const Subject& subject : kSubjects) {
    if (argc > 1 && argv[1] == std::string(subject.name)) options.subject = &subject;
  }
  if (options.subject == nullptr) throw std::invalid_argument("no such subject");
  bool limited = false;
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(name + " needs a value");
    const std::string value = argv[i + 1];
    if (name == "--seconds") {
      options.seconds = std::stod(value);
      limited = true;
    } else if (name == "--seed") {
      options.seed = std::stoull(value);
    } else if (name == "--cases") {
      options.cases = std::stoull(value);
    } else if (name == "--threads") {
      options.settings.threads = std::stoi(value);
    } else {
      throw std::invalid_argument("there is no option " + name);
    }
  }
  if (options.cases != UINT64_MAX && !limited) options.seconds = 1e9;
  return options;
}

bool passes(const Subject& subject, uint64_t seed, const Settings& settings) {
  Random random(seed);
  try {
    subject.run(random, settings);
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
  return !testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed();
}

int fuzz(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  uint64_t count = 0;
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  for (; count < options.cases && (count == 0 || seconds() < options.seconds); ++count) {
    const auto seed = static_cast<unsigned long long>(options.seed + count);
    if (passes(*options.subject, seed, options.settings)) continue;
    std::printf("seed %llu fails; it alone: optim_fuzz %s --seed %llu --cases 1 --threads %d\n", seed,
                options.subject->name, seed, options.settings.threads);
    return 1;
  }
  std::printf("%s: %llu cases from seed %llu passed\n", options.subject->name, static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(options.seed));
  return 0;
}

}  // namespace
}  // namespace optim_fuzz

int main(int argc, char** argv) {
  int none = 1;
  testing::InitGoogleTest(&none, argv);
  try {
    return optim_fuzz::fuzz(optim_fuzz::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\nusage: optim_fuzz SUBJECT [--seconds S] [--seed N] [--cases C] [--threads T]; subjects:",
                 error.what());
    for (const auto& subject : optim_fuzz::kSubjects) std::fprintf(stderr, " %s", subject.name);
    std::fprintf(stderr, "\n");
    return 2;
  }
}
