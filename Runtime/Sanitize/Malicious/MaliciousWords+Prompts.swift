extension MaliciousWords {
    private static func prompt(_ role: PromptRole, _ words: String) -> List { List(words: words) { $0.prompt = role } }

    /// Orders to a language model, in the languages that most people write.
    static var prompts: [List] {
        [
            prompt(
                .override,
                """
                ignore disregard forget override bypass discard skip neglect ignoriere ignorier vergiss missachte umgehe überschreibe ignorez oublie
                oubliez ignora ignorad olvida olvide ignorem esqueça desconsidere dimentica trascura negeer vergeet zignoruj zapomnij
                игнорируй игнорируйте забудь забудьте Игнорируй Игнорируйте Забудь Забудьте проігноруй yoksay unut
                """),
            prompt(
                .scope,
                """
                previous prior above earlier preceding foregoing former existing current vorherigen bisherigen vorigen obigen précédentes
                antérieures précédents anteriores previas previos precedenti vorige eerdere poprzednie предыдущие прежние önceki
                system original initial
                """),
            prompt(
                .target,
                """
                instructions instruction directions directives rules guidelines prompt prompts commands orders restrictions safeguards
                programming training filters anweisungen anweisung regeln vorgaben befehle consignes règles instrucciones reglas órdenes
                instruções regras istruzioni regole instructies regels instrukcje polecenia инструкции указания правила talimatları kuralları
                """),
            prompt(
                .reveal,
                """
                reveal show print output repeat display leak dump expose disclose tell share give write copy recite zeige verrate
                nenne révèle affiche montre muestra revela imprime mostre mostra rivela toon pokaż ujawnij покажи выведи раскрой Покажи Выведи Раскрой
                """),
            prompt(.secret, "system hidden secret initial original internal confidential developer systemprompt"),
            prompt(.role, "system assistant user developer im_start im_end inst sys instruction"),
            prompt(.persona, "dan jailbreak jailbroken unrestricted unfiltered uncensored godmode"),
        ]
    }
}
