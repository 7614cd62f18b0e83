// Kafka's own classes answer what a message is and how it is written.
//
//   definition NAME             -> the message's definition, base64
//   write NAME VERSION JSON     -> its bytes, hexadecimal
//   error CODE                  -> name and text
//
// One question a line, parts between tabs; one answer a line, `failed ...` if Kafka refuses.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

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

  static String error(short code) {
    Errors error = Errors.forCode(code);
    return error.name() + "\t" + error.message();
  }
}
