// The generator of core/random.h against the known answers of its authors.
#include <gtest/gtest.h>

#include "core/random.h"

namespace optim {
namespace {

struct KnownAnswer {
  std::uint64_t seed, counter, stream;
  RandomBlock block;
};

// Random123, kat_vectors: philox4x32, 10 rounds.
const KnownAnswer known_answers[] = {
    {0, 0, 0, {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}}},
    {~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0}, {{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}}},
    {0x299f31d0a4093822u,
     0x85a308d3243f6a88u,
     0x0370734413198a2eu,
     {{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}}},
};

TEST(Random, KnownAnswers) {
  for (const KnownAnswer& known : known_answers) {
    const RandomBlock block = random_block(known.seed, known.counter, known.stream);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(block.word[i], known.block.word[i]) << "word " << i;
  }
}

TEST(Random, NumbersAreTheWordsOfTheBlocksInOrder) {
  for (std::uint64_t counter : {std::uint64_t{0}, std::uint64_t{41}, ~std::uint64_t{0} / 4}) {
    const RandomBlock block = random_block(7, counter, 3);
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(random_bits(7, 4 * counter + i, 3), block.word[i]);
  }
}

}  // namespace
}  // namespace optim
