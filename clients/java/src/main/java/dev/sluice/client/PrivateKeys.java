package dev.sluice.client;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Private keys as PKCS #8, the only form that Java reads. OpenSSL and cert-manager still write the
 * older ones of RSA (PKCS #1) and elliptic curves (SEC 1), which other languages' libraries take;
 * PKCS #8 is these with the kind of the key around them.
 */
final class PrivateKeys {
  private static final Pattern OLDER =
      Pattern.compile("-----BEGIN (RSA|EC) PRIVATE KEY-----(.*?)-----END", Pattern.DOTALL);

  /** The object identifiers, encoded: 1.2.840.113549.1.1.1 with NULL, and 1.2.840.10045.2.1. */
  private static final byte[] RSA = {6, 9, 42, -122, 72, -122, -9, 13, 1, 1, 1, 5, 0};

  private static final byte[] ELLIPTIC = {6, 7, 42, -122, 72, -50, 61, 2, 1};
  private static final byte[] VERSION_0 = {2, 1, 0};

  private static final int SEQUENCE = 0x30;
  private static final int OCTETS = 0x04;

  /** Tag of the curve in a key of SEC 1. */
  private static final int CURVE = 0xA0;

  private PrivateKeys() {}

  /** Returns the key of a PEM text as PEM in PKCS #8; a text without an older form as it is. */
  static String pkcs8(String pem) {
    Matcher older = OLDER.matcher(pem);
    if (!older.find()) {
      return pem;
    }
    byte[] key;
    byte[] kind;
    try {
      key = Base64.getDecoder().decode(older.group(2).replaceAll("\\s", ""));
      kind = older.group(1).equals("RSA") ? RSA : joined(ELLIPTIC, curve(key));
    } catch (IllegalArgumentException
        | BufferUnderflowException
        | IndexOutOfBoundsException unreadable) {
      throw new IllegalArgumentException("the private key is encrypted or broken", unreadable);
    }
    byte[] whole =
        encoded(SEQUENCE, joined(VERSION_0, encoded(SEQUENCE, kind), encoded(OCTETS, key)));
    return "-----BEGIN PRIVATE KEY-----\n"
        + Base64.getMimeEncoder().encodeToString(whole)
        + "\n-----END PRIVATE KEY-----\n";
  }

  private static byte[] curve(byte[] key) {
    ByteBuffer rest = content(ByteBuffer.wrap(key));
    while (rest.get(rest.position()) != (byte) CURVE) {
      content(rest);
    }
    ByteBuffer curve = content(rest);
    byte[] bytes = new byte[curve.remaining()];
    curve.get(bytes);
    return bytes;
  }

  /**
   * Returns the content of the DER value at the buffer's position, and moves the buffer past it.
   */
  private static ByteBuffer content(ByteBuffer der) {
    der.get();
    int length = Byte.toUnsignedInt(der.get());
    if (length > 127) {
      int bytes = length - 128;
      length = 0;
      for (; bytes > 0; bytes--) {
        length = length << 8 | Byte.toUnsignedInt(der.get());
      }
    }
    ByteBuffer content = der.slice(der.position(), length);
    der.position(der.position() + length);
    return content;
  }

  private static byte[] encoded(int tag, byte[] content) {
    int length = content.length;
    // Two bytes of length are enough for every key; DER wants no more than are needed.
    byte[] header =
        length < 128
            ? new byte[] {(byte) tag, (byte) length}
            : length < 256
                ? new byte[] {(byte) tag, (byte) 0x81, (byte) length}
                : new byte[] {(byte) tag, (byte) 0x82, (byte) (length >> 8), (byte) length};
    return joined(header, content);
  }

  private static byte[] joined(byte[]... pieces) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] piece : pieces) {
      out.writeBytes(piece);
    }
    return out.toByteArray();
  }
}
