// The floor: gunzip (libdeflate), parse (simdjson), ORC ZSTD (Arrow) of the contenders' columns, in one loop on one core.
// floor STAGE LIST ORC NAMES ACCOUNTS: STAGE is gunzip, parse or orc; LIST a file with a path a line; NAMES and ACCOUNTS
// comma-separated, or "-" to keep every event. Prints the events and bytes it saw. Parsing validates what it steps over.
#include <arrow/adapters/orc/adapter.h>
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <libdeflate.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "simdjson.h"

namespace ondemand = simdjson::ondemand;
using Values = std::vector<std::string_view>;

static const std::vector<std::string> TEXT = {
    "eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent", "errorCode",
    "errorMessage", "requestID", "eventID", "eventType", "apiVersion", "recipientAccountId", "sharedEventID",
    "vpcEndpointId", "eventCategory", "sessionCredentialFromConsole"};
static const std::vector<std::string> RAW = {"readOnly", "managementEvent", "requestParameters", "responseElements",
                                             "additionalEventData", "resources", "serviceEventDetails", "tlsDetails"};
static const std::vector<std::string> IDENTITY = {"type", "principalId", "arn", "accountId", "accessKeyId", "userName",
                                                  "invokedBy"};
static const std::vector<std::string> ISSUER = {"type", "arn", "userName"};
static const std::vector<std::string> CONTEXT = {"sourceIdentity", "mfaAuthenticated"};
static const size_t EVENT_NAME = 3, ACCOUNT = 13, WRITTEN_ROWS = 20000;

class Columns {
 public:
  Columns() {
    auto add = [this](const std::vector<std::string>& keys, const std::string& block) {
      for (const auto& key : keys) {
        at_[block + key] = names.size();
        std::string name = block == "sessionIssuer." ? "useridentity_issuer" + key
                           : block.empty()           ? key
                                                     : "useridentity_" + key;
        for (auto& c : name) c = static_cast<char>(tolower(c));
        names.push_back(name);
      }
    };
    add(TEXT, "");
    add(RAW, "");
    add(IDENTITY, "userIdentity.");
    add(CONTEXT, "sessionContext.");
    add(ISSUER, "sessionIssuer.");
  }
  int find(const std::string& block, std::string_view key) const {
    auto found = at_.find(block + std::string(key));
    return found == at_.end() ? -1 : static_cast<int>(found->second);
  }
  std::vector<std::string> names;

 private:
  std::unordered_map<std::string, size_t> at_;
};

static std::string_view trimmed(std::string_view text) {
  while (!text.empty() && isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

static void take(ondemand::value value, std::string_view& into, bool is_raw) {
  if (value.type() == ondemand::json_type::null) return;
  if (!is_raw && value.type() == ondemand::json_type::string)
    into = value.get_string();
  else
    into = trimmed(value.raw_json());
}

static void read_block(ondemand::object object, const std::string& block, const Columns& columns, Values& values) {
  for (auto field : object) {
    std::string_view key = field.unescaped_key();
    ondemand::value value = field.value();
    bool is_object = value.type() == ondemand::json_type::object;
    if (is_object && (key == "userIdentity" || key == "sessionContext" || key == "sessionIssuer")) {
      read_block(value.get_object(), std::string(key) + ".", columns, values);
    } else if (is_object && key == "attributes" && block == "sessionContext.") {
      read_block(value.get_object(), block, columns, values);
    } else if (int at = columns.find(block, key); at >= 0) {
      size_t place = static_cast<size_t>(at);
      take(value, values[place], place >= TEXT.size() && place < TEXT.size() + RAW.size());
    }
  }
}

class Writer {
 public:
  Writer(const std::string& path, const Columns& columns) : builders_(columns.names.size()) {
    arrow::FieldVector fields;
    for (const auto& name : columns.names) fields.push_back(arrow::field(name, arrow::utf8()));
    schema_ = arrow::schema(fields);
    arrow::adapters::orc::WriteOptions options;
    options.compression = arrow::Compression::ZSTD;
    options.dictionary_key_size_threshold = 0.8;
    out_ = arrow::io::FileOutputStream::Open(path).ValueOrDie();
    orc_ = arrow::adapters::orc::ORCFileWriter::Open(out_.get(), options).ValueOrDie();
  }
  void add(const Values& values) {
    for (size_t n = 0; n < values.size(); ++n) {
      auto status = values[n].data() ? builders_[n].Append(values[n]) : builders_[n].AppendNull();
      if (!status.ok()) throw std::runtime_error(status.ToString());
    }
    if (++rows_ == WRITTEN_ROWS) flush();
  }
  void close() {
    if (rows_) flush();
    if (!orc_->Close().ok() || !out_->Close().ok()) throw std::runtime_error("the ORC file could not be closed");
  }

 private:
  void flush() {
    arrow::ArrayVector arrays;
    for (auto& builder : builders_) arrays.push_back(builder.Finish().ValueOrDie());
    auto batch = arrow::RecordBatch::Make(schema_, rows_, arrays);
    if (!orc_->Write(*batch).ok()) throw std::runtime_error("the ORC file could not be written");
    rows_ = 0;
  }
  std::vector<arrow::StringBuilder> builders_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::io::FileOutputStream> out_;
  std::unique_ptr<arrow::adapters::orc::ORCFileWriter> orc_;
  int64_t rows_ = 0;
};

static std::unordered_set<std::string> listed(const std::string& text) {
  std::unordered_set<std::string> found;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) found.insert(part);
  return found;
}

static size_t inflate(libdeflate_decompressor* inflater, const std::string& body, std::vector<char>& content) {
  uint32_t size;
  memcpy(&size, body.data() + body.size() - 4, 4);
  if (content.size() < size + simdjson::SIMDJSON_PADDING) content.resize(size + simdjson::SIMDJSON_PADDING);
  if (libdeflate_gzip_decompress(inflater, body.data(), body.size(), content.data(), size, nullptr))
    throw std::runtime_error("an object is no gzip");
  return size;
}

int main(int, char** argv) {
  const std::string stage = argv[1];
  const bool keeps_all = std::string(argv[4]) == "-";
  const auto names = listed(argv[4]), accounts = listed(argv[5]);
  Columns columns;
  std::unique_ptr<Writer> writer;
  if (stage == "orc") writer = std::make_unique<Writer>(argv[3], columns);
  auto* inflater = libdeflate_alloc_decompressor();
  ondemand::parser parser;
  std::vector<char> content;
  size_t events = 0, bytes = 0;
  std::ifstream list(argv[2]);
  for (std::string path; std::getline(list, path);) {
    std::ifstream file(path, std::ios::binary);
    std::string body((std::istreambuf_iterator<char>(file)), {});
    size_t size = inflate(inflater, body, content);
    bytes += size;
    if (stage == "gunzip") continue;
    auto document = parser.iterate(content.data(), size, content.size());
    for (auto record : document["Records"].get_array()) {
      Values values(columns.names.size());
      read_block(record.get_object(), "", columns, values);
      if (!keeps_all && !(names.count(std::string(values[EVENT_NAME])) && accounts.count(std::string(values[ACCOUNT]))))
        continue;
      ++events;
      if (writer) writer->add(values);
    }
  }
  if (writer) writer->close();
  libdeflate_free_decompressor(inflater);
  std::cout << events << " events, " << bytes << " bytes inflated\n";
}
