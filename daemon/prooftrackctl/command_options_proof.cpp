#include "prooftrackctl/command_options.hpp"

#include <algorithm>
#include <array>

namespace prooftrack::ctl {

namespace {

struct session_field {
    const char* option;
    const char* name; ///< Proof's
    const char* help;
};

constexpr std::array<session_field, 13> session_fields{{
    {"--partner-user-id", "partner_user_id", "Your id of the user"},
    {"--user-email", "user_email", "The user's e-mail address"},
    {"--type", "type", "buy or sell"},
    {"--currency", "currency", "Crypto currency, as USDT"},
    {"--network", "network", "TRC20, ERC20, BEP20 …"},
    {"--amount", "amount", "Crypto amount, a decimal (current generation)"},
    {"--fiat-currency", "fiat_currency", "EUR, USD (first generation)"},
    {"--fiat-amount", "fiat_amount", "Fiat amount, a decimal (first generation)"},
    {"--crypto-amount", "crypto_amount", "Crypto amount, a decimal (first generation)"},
    {"--redirect-url", "redirect_url", "Where the widget sends the user at the end"},
    {"--client-ip", "client_ip", "The end user's address"},
    {"--address", "address", "Wallet address"},
    {"--lang", "lang", "The widget's language"},
}};

void add_session(CLI::App& app, command_collector& into) {
    auto* command = app.add_subcommand(
        "session", "Create a session with Proof; its transaction is tracked before the reply is shown");
    auto* body =
        command
            ->add_option(
                "--body", into.session.body_file, "Send this JSON as it is, - for standard input (may hold `tracking`)")
            ->type_name("FILE");
    for (const session_field& field : session_fields) {
        command
            ->add_option_function<std::string>(
                field.option,
                [&into, option = std::string(field.option), name = std::string(field.name)](const std::string& value) {
                    add_member(into.session.fields, option, name, value);
                },
                field.help)
            ->type_name("TEXT")
            ->excludes(body);
    }
    command
        ->add_option_function<std::vector<std::string>>(
            "--field",
            [&into](const std::vector<std::string>& pairs) { add_pairs(into.session.fields, "--field", pairs); },
            "Any other field of Proof's request; repeatable")
        ->type_name("K=V")
        ->type_size(1)
        ->allow_extra_args(false)
        ->excludes(body);
    for (CLI::Option* option : add_tracking_options(command, into.session.tracking)) option->excludes(body);
    command
        ->add_option(
            "--idempotency-key", into.session.idempotency_key, "The same key and body never make a second session")
        ->type_name("KEY")
        ->check(CLI::Validator(
            [](std::string& text) {
                const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
                return plain && !text.empty() && text.size() <= 255 ? std::string()
                                                                    : "a key is 1 to 255 printable ASCII characters";
            },
            "", "key"));
    add_example(
        command, "session --partner-user-id u-7 --user-email ann@example.org --currency USDT --network TRC20 \\\n"
                 "      --amount 25.00 --metadata order=A-17");
    command->callback([&into] {
        if (into.session.body_file.empty() && into.session.fields.empty()) {
            throw CLI::ValidationError("session", "give the fields of the session as options, or --body FILE");
        }
        into.chosen = into.session;
    });
}

} // namespace

void add_proof_commands(CLI::App& app, command_collector& into) {
    add_session(app, into);
    auto* kyc = app.add_subcommand("kyc", "Ask Proof for a user's identity-verification status");
    kyc->add_option("USER", into.kyc.user, "Your id of the user (partner_user_id)")->required()->type_name("");
    add_example(kyc, "kyc u-7");
    kyc->callback([&into] { into.chosen = into.kyc; });
}

} // namespace prooftrack::ctl
