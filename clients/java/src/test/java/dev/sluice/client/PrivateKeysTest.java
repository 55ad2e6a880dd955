package dev.sluice.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

/** Keys in the forms that tools write. */
class PrivateKeysTest {
  /** What PKCS #8 has before a key of RSA with 2048 bits: its own lengths, version and kind. */
  private static final int RSA_2048_HEADER = 26;

  @Test
  void oldFormOfRsaGetsItsKindAroundIt() throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    byte[] key = generator.generateKeyPair().getPrivate().getEncoded();
    byte[] old = Arrays.copyOfRange(key, RSA_2048_HEADER, key.length);

    assertArrayEquals(key, der(PrivateKeys.pkcs8(pem("RSA PRIVATE KEY", old))));
  }

  @Test
  void oldFormOfEllipticCurvesKeepsItsCurve() throws GeneralSecurityException {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    ECPrivateKey key = (ECPrivateKey) generator.generateKeyPair().getPrivate();
    ByteArrayOutputStream old = new ByteArrayOutputStream();
    old.writeBytes(HexFormat.of().parseHex("30310201010420"));
    old.writeBytes(HexFormat.of().parseHex(String.format("%064x", key.getS())));
    old.writeBytes(HexFormat.of().parseHex("a00a06082a8648ce3d030107"));
    String parameters = pem("EC PARAMETERS", HexFormat.of().parseHex("06082a8648ce3d030107"));

    String pkcs8 = PrivateKeys.pkcs8(parameters + pem("EC PRIVATE KEY", old.toByteArray()));

    PrivateKey read =
        KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der(pkcs8)));
    assertEquals(key.getS(), ((ECPrivateKey) read).getS());
  }

  @Test
  void newFormStaysAsItIs() {
    String pem = pem("PRIVATE KEY", new byte[] {1, 2, 3});

    assertEquals(pem, PrivateKeys.pkcs8(pem));
  }

  @Test
  void brokenAndEncryptedKeysAreRefused() {
    String cut = pem("EC PRIVATE KEY", new byte[] {0x30, 0x31, 2, 1, 1, 4});
    String encrypted =
        pem("RSA PRIVATE KEY", new byte[3]).replace("Y-----\n", "Y-----\nProc-Type: 4\n");

    assertThrows(IllegalArgumentException.class, () -> PrivateKeys.pkcs8(cut));
    assertThrows(IllegalArgumentException.class, () -> PrivateKeys.pkcs8(encrypted));
  }

  private static String pem(String kind, byte[] der) {
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
        .formatted(kind, Base64.getMimeEncoder().encodeToString(der), kind);
  }

  private static byte[] der(String pem) {
    return Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
  }
}
