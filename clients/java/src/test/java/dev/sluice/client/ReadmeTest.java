package dev.sluice.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler.CompilationTask;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page that newcomers read. */
class ReadmeTest {
  private static final Pattern BLOCK = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);

  /** What a reader of a block that is no program has already. */
  private static final String AROUND =
      """
      import static dev.sluice.client.Messages.*;
      import dev.sluice.client.*;
      import dev.sluice.v1.*;
      import io.grpc.stub.StreamObserver;
      import java.nio.file.*;
      import java.time.Duration;
      import java.util.*;
      import java.util.concurrent.*;

      class Block {
        void run(Client client, GenerateRequest request, StreamObserver<Event> observer)
            throws Exception {
          %s
        }
      }
      """;

  @Test
  void everyBlockOfJavaCompiles(@TempDir Path output) throws IOException {
    List<String> blocks =
        BLOCK
            .matcher(Files.readString(Path.of("README.md")))
            .results()
            .map(match -> match.group(1))
            .toList();
    assertTrue(blocks.size() > 5, "most blocks are gone");
    for (String block : blocks) {
      boolean program = block.contains("class ");
      assertEquals("", complaints(program ? block : AROUND.formatted(block), output), block);
    }
  }

  private static String complaints(String code, Path output) {
    StringWriter complaints = new StringWriter();
    CompilationTask task =
        ToolProvider.getSystemJavaCompiler()
            .getTask(
                complaints,
                null,
                null,
                List.of("-d", output.toString(), "-Xlint:all,-processing", "-proc:none"),
                null,
                List.of(new Source(code)));
    boolean compiled = task.call();
    return compiled || !complaints.toString().isEmpty() ? complaints.toString() : "failed";
  }

  private static final class Source extends SimpleJavaFileObject {
    private final String code;

    Source(String code) {
      super(
          URI.create(code.contains("class Rivers") ? "memory:/Rivers.java" : "memory:/Block.java"),
          JavaFileObject.Kind.SOURCE);
      this.code = code;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return code;
    }
  }
}
