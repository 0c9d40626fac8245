#include "store/content.hpp"

#include "core/test_run.hpp"
#include "store/sim_store.hpp"

#include <gtest/gtest.h>

namespace postrider::store {
namespace {

Task<Result<BlobRef>> put_body(Store* store, std::string octets) {
  const Result<std::unique_ptr<BlobWriter>> writer = co_await store->create_blob();
  if (!writer) co_return fail(writer);
  const Result<void> appended = co_await (*writer)->append(octets);
  if (!appended) co_return fail(appended);
  const Result<std::shared_ptr<SealedBlob>> sealed = co_await (*writer)->seal();
  if (!sealed) co_return fail(sealed);
  Transaction transaction;
  transaction.add_blob(*sealed);
  const Result<Version> committed = co_await store->commit(std::move(transaction), Durability::durable);
  if (!committed) co_return fail(committed);
  co_return (*sealed)->ref();
}

Task<Result<std::string>> read_all(Store* store, Content content, std::size_t octets_max) {
  ContentReader reader(store, std::move(content));
  std::string all;
  for (;;) {
    const Result<std::string> chunk = co_await reader.next(octets_max);
    if (!chunk) co_return fail(chunk);
    if (chunk->empty()) co_return all;
    all += *chunk;
  }
}

struct Rig {
  test::World world;
  SeededRandom random{3};
  SimDisk disk;
  SimStore store{{.disk = &disk, .random = &random}};
};

TEST(Content, IsPrefixAndBodyWithoutWhatIsDropped) {
  Rig rig;
  const Result<BlobRef> body = test::run(rig.world, put_body(&rig.store, "0123456789"));
  ASSERT_TRUE(body);
  struct Row {
    std::string prefix;
    std::vector<OctetRange> dropped;
    std::string want;
  };
  const Row rows[] = {{"", {}, "0123456789"},    {"P:", {}, "P:0123456789"},
                      {"", {{0, 3}}, "3456789"}, {"P:", {{2, 2}, {4, 1}, {9, 1}}, "P:015678"},
                      {"P:", {{0, 10}}, "P:"},   {"", {{0, 10}}, ""}};
  for (const Row& row : rows) {
    const Content content{.prefix = row.prefix, .dropped = row.dropped, .body = *body};
    EXPECT_EQ(content.size_octets(), row.want.size());
    for (const std::size_t octets_max : {1U, 3U, 100U}) {
      const Result<std::string> all = test::run(rig.world, read_all(&rig.store, content, octets_max));
      EXPECT_EQ(all.value_or("?"), row.want);
    }
  }
}

TEST(Content, RangesOfTwoKindsStandInOrder) {
  const std::vector<OctetRange> blind = {{.offset = 0, .size_octets = 4}, {.offset = 20, .size_octets = 5}};
  const std::vector<OctetRange> paths = {{.offset = 4, .size_octets = 6}};
  const std::vector<OctetRange> want = {blind[0], paths[0], blind[1]};
  EXPECT_EQ(all_ranges(blind, paths), want);
  EXPECT_EQ(all_ranges(paths, blind), want);
  EXPECT_EQ(all_ranges({}, {}), std::vector<OctetRange>{});
}

TEST(Content, ABodyShorterThanItsReferenceIsCorrupt) {
  Rig rig;
  Result<BlobRef> body = test::run(rig.world, put_body(&rig.store, "short"));
  ASSERT_TRUE(body);
  body->size_octets = 100;
  const Result<std::string> all =
      test::run(rig.world, read_all(&rig.store, {.prefix = {}, .dropped = {}, .body = *body}, 10));
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code, Error::corrupt);
}

TEST(Content, RecordRoundTripsAndRefusesRangesThatDoNotFit) {
  const Content content{
      .prefix = "A: b\r\n", .dropped = {{0, 5}, {7, 1}}, .body = {.id = {"0123456789abcdef"}, .size_octets = 8}};
  RecordWriter out(1);
  write_content(out, content);
  const std::string octets = std::move(out).finish();
  RecordReader in(octets, 1);
  const Result<Content> back = read_content(in);
  ASSERT_TRUE(back && in.end());
  EXPECT_EQ(*back, content);

  for (const std::vector<OctetRange>& bad :
       {std::vector<OctetRange>{{7, 2}}, {{9, 0}}, {{4, 1}, {0, 1}}, {{0, ~std::uint64_t{0}}}}) {
    RecordWriter writer(1);
    write_content(writer, {.prefix = {}, .dropped = bad, .body = content.body});
    const std::string record = std::move(writer).finish();
    RecordReader reader(record, 1);
    EXPECT_FALSE(read_content(reader));
  }
}

}  // namespace
}  // namespace postrider::store
