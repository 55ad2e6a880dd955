package dev.sluice.conformance;

import com.google.gson.JsonParser;
import dev.sluice.client.Client;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * Does with the client what it is told on standard input, and writes what it saw to standard
 * output. The orders and the lines are those of the conformance tests of all languages.
 */
public final class Main {
  private Main() {}

  /**
   * Carries out orders until the input ends. What is not understood is thrown, which ends the
   * program with 1.
   *
   * @param args none
   * @throws IOException if the input cannot be read
   */
  public static void main(String[] args) throws IOException {
    PrintStream out =
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Lines lines = new Lines(out);
    String line;
    while ((line = in.readLine()) != null) {
      Order order = new Order(JsonParser.parseString(line).getAsJsonObject());
      try (Client client = order.connect()) {
        new Calls(order, client, in, lines).carryOut();
      }
      lines.write("end", true);
    }
  }
}
