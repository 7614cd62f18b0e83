// Kafka's own classes answer what a message is and how it is written.
//
//   definition NAME             -> the message's definition, base64
//   write NAME VERSION JSON     -> its bytes, hexadecimal
//   error CODE                  -> name and text
//   batch JSON                  -> a record batch of these records, hexadecimal
//   marker JSON                 -> the control batch that ends a transaction, hexadecimal
//   records HEX                 -> the records of batches, after Kafka's check of them, as JSON
//
// One question a line, parts between tabs; one answer a line, `failed ...` if Kafka refuses.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;

public class Messages {
  static final ObjectMapper mapper = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    var questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = questions.readLine(); line != null; line = questions.readLine()) {
      String[] parts = line.split("\t", 4);
      try {
        answers.println(
            switch (parts[0]) {
              case "definition" -> definition(parts[1]);
              case "write" -> write(parts[1], Short.parseShort(parts[2]), mapper.readTree(parts[3]));
              case "batch" -> batch(mapper.readTree(parts[1]));
              case "marker" -> marker(mapper.readTree(parts[1]));
              case "records" -> records(HexFormat.of().parseHex(parts[1]));
              case "error" -> error(Short.parseShort(parts[1]));
              default -> "failed: what is " + parts[0];
            });
      } catch (Exception failure) {
        Throwable cause = failure.getCause() == null ? failure : failure.getCause();
        answers.println(("failed: " + cause).replace("\n", " "));
      }
    }
    answers.flush();
  }

  static String definition(String name) throws Exception {
    try (InputStream in = Message.class.getResourceAsStream("/common/message/" + name + ".json")) {
      return Base64.getEncoder().encodeToString(in.readAllBytes());
    }
  }

  static String write(String name, short version, JsonNode json) throws Exception {
    // Data that are neither request nor response have no suffix.
    String suffix = name.endsWith("Request") || name.endsWith("Response") ? "Data" : "";
    Class<?> converter = Class.forName("org.apache.kafka.common.message." + name + suffix + "JsonConverter");
    var message = (Message) converter.getMethod("read", JsonNode.class, short.class).invoke(null, json, version);
    var cache = new ObjectSerializationCache();
    ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
    message.write(new ByteBufferAccessor(buffer), cache, version);
    return HexFormat.of().formatHex(buffer.array(), 0, buffer.position());
  }

  static String batch(JsonNode json) throws Exception {
    JsonNode appendTime = json.get("appendTimeMs");
    var builder =
        MemoryRecords.builder(
            ByteBuffer.allocate(1024),
            RecordBatch.CURRENT_MAGIC_VALUE,
            Compression.of(CompressionType.forId(json.get("compression").asInt())).build(),
            appendTime.isNull() ? TimestampType.CREATE_TIME : TimestampType.LOG_APPEND_TIME,
            json.get("baseOffset").asLong(),
            appendTime.isNull() ? RecordBatch.NO_TIMESTAMP : appendTime.asLong(),
            json.get("producerId").asLong(),
            (short) json.get("producerEpoch").asInt(),
            json.get("baseSequence").asInt(),
            json.get("isTransactional").asBoolean(),
            json.get("leaderEpoch").asInt());
    for (JsonNode record : json.get("records")) {
      var headers = new ArrayList<Header>();
      for (JsonNode header : record.get("headers"))
        headers.add(new RecordHeader(header.get(0).asText(), header.get(1).binaryValue()));
      builder.appendWithOffset(
          record.get("offset").asLong(),
          record.get("timestampMs").asLong(),
          record.get("key").binaryValue(),
          record.get("value").binaryValue(),
          headers.toArray(new Header[0]));
    }
    return hex(builder.build().buffer());
  }

  static String marker(JsonNode json) {
    var type = json.get("isCommitted").asBoolean() ? ControlRecordType.COMMIT : ControlRecordType.ABORT;
    return hex(
        MemoryRecords.withEndTransactionMarker(
                0,
                json.get("timestampMs").asLong(),
                0,
                json.get("producerId").asLong(),
                (short) json.get("producerEpoch").asInt(),
                new EndTransactionMarker(type, json.get("coordinatorEpoch").asInt()))
            .buffer());
  }

  static String records(byte[] bytes) throws Exception {
    var all = mapper.createArrayNode();
    for (RecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
      batch.ensureValid();
      for (var record : batch) {
        ObjectNode one = all.addObject();
        one.put("offset", record.offset());
        one.put("timestampMs", record.timestamp());
        one.put("key", record.hasKey() ? bytesOf(record.key()) : null);
        one.put("value", record.hasValue() ? bytesOf(record.value()) : null);
        var headers = one.putArray("headers");
        for (Header header : record.headers()) headers.addArray().add(header.key()).add(header.value());
      }
    }
    return mapper.writeValueAsString(all);
  }

  static String hex(ByteBuffer buffer) {
    return HexFormat.of().formatHex(bytesOf(buffer));
  }

  static byte[] bytesOf(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }

  static String error(short code) {
    Errors error = Errors.forCode(code);
    return error.name() + "\t" + error.message();
  }
}
